package dev.llmworker.hub;

import dev.llmworker.hub.download.Backoff;
import dev.llmworker.hub.download.CacheFolder;
import dev.llmworker.hub.download.ModelUnavailableException;
import dev.llmworker.hub.progress.Progress;
import dev.llmworker.weights.GgufParts;
import dev.llmworker.weights.Safetensors;
import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileLockInterruptionException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Finds the file or folder that `MODEL` names, and downloads it if it is not on this machine.
///
/// Existing paths come before hub ids: a folder `org/name` hides the hub's model of that name.
///
/// Threading: blocks, for minutes during a download; an interrupt ends it promptly.
public final class ModelLocator {
    private static final byte[] GGUF_MAGIC = "GGUF".getBytes(StandardCharsets.US_ASCII);
    private static final String HOME_FOLDER = "~/";
    private static final Path RUNPOD_VOLUME = Path.of("/runpod-volume");

    private final Function<String, @Nullable String> environment;
    private final Progress progress;
    private final HuggingFace huggingFace;

    /// @param environment reads a variable, null if it is not set: `MODEL`, `CACHE_DIR`, `HF_TOKEN`,
    ///     `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`, `HF_HUB_OFFLINE`, `XDG_CACHE_HOME`, `HOME`
    public ModelLocator(Function<String, @Nullable String> environment, Progress progress) {
        this(environment, progress, RUNPOD_VOLUME, Backoff.standard());
    }

    ModelLocator(
            Function<String, @Nullable String> environment, Progress progress, Path runPodVolume, Backoff backoff) {
        this.environment = environment;
        this.progress = progress;
        huggingFace = new HuggingFace(environment, runPodVolume, backoff, progress);
    }

    /// @throws ModelUnavailableException saying what is wrong with `MODEL`, and what would help
    public LocatedModel locate() throws IOException, InterruptedException {
        var model = CacheFolder.nonBlank(environment.apply("MODEL"));
        if (model == null) {
            var starter = StarterModel.read();
            var located = ofFile(starter.file(environment));
            return new LocatedModel(located.name(), located.file(), starter.sha256());
        }
        var path = existing(model);
        if (path != null) {
            return ofFile(inPath(path, model));
        }
        var id = looksLikePath(model) ? null : HubId.parse(model);
        if (id == null) {
            throw new ModelUnavailableException("MODEL=" + model + ": no such file" + hint(model));
        }
        try {
            var file = huggingFace.file(id);
            requireReadable(file, model);
            return new LocatedModel(id.repository(), file);
        } catch (ClosedByInterruptException | FileLockInterruptionException e) {
            // File channels leave the thread's flag set. Here only the exception tells the caller.
            Thread.interrupted();
            throw (InterruptedException) new InterruptedException(e.toString()).initCause(e);
        }
    }

    /// Whether [#locate()] needs no other machine.
    public boolean isOnThisMachine() {
        var model = CacheFolder.nonBlank(environment.apply("MODEL"));
        return model == null || existing(model) != null;
    }

    private static @Nullable Path existing(String model) {
        try {
            var path = Path.of(model);
            return Files.exists(path) ? path : null;
        } catch (InvalidPathException _) {
            return null;
        }
    }

    private static boolean looksLikePath(String model) {
        return model.startsWith("/")
                || model.startsWith(".")
                || model.startsWith("~")
                || model.contains("\\")
                || (!model.contains(":") && (model.endsWith(GgufChoice.SUFFIX) || model.endsWith(".safetensors")));
    }

    private String hint(String model) {
        if (model.startsWith(HOME_FOLDER)) {
            var meant = CacheFolder.home(environment).resolve(model.substring(HOME_FOLDER.length()));
            return ". A shell replaces ~ only if it is not in quotes; write MODEL="
                    + GgufChoice.shellWord(meant.toString());
        }
        return looksLikePath(model) ? "" : ", and not a Hugging Face id (org/name or org/name:file.gguf)";
    }

    private static Path inPath(Path path, String model) throws IOException {
        var file = path;
        if (Files.isDirectory(path)) {
            var names = fileNames(path);
            if (names.stream().noneMatch(name -> name.endsWith(GgufChoice.SUFFIX))
                    && SafetensorsFiles.areAmong(names)) {
                return path;
            }
            var separator = model.endsWith("/") ? "" : "/";
            file = path.resolve(GgufChoice.only(names, model, separator));
        }
        var name = file.getFileName().toString();
        if (GgufParts.isOne(name)) {
            GgufChoice.requireWhole(name, fileNames(folder(file)), model);
        }
        requireReadable(file, model);
        return file;
    }

    private static Path folder(Path file) {
        return Objects.requireNonNull(file.toAbsolutePath().getParent());
    }

    private static List<String> fileNames(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            return files.filter(Files::isRegularFile)
                    .map(file -> file.getFileName().toString())
                    .toList();
        }
    }

    private static void requireReadable(Path file, String model) throws IOException {
        if (Safetensors.isOne(file)) {
            return;
        }
        if (!Files.isReadable(file)) {
            throw new ModelUnavailableException("MODEL=" + model + ": " + file + " is not readable by this user");
        }
        try (var in = Files.newInputStream(file)) {
            if (!Arrays.equals(in.readNBytes(GGUF_MAGIC.length), GGUF_MAGIC)) {
                throw new ModelUnavailableException("MODEL=" + model + ": " + file + " is not a GGUF file");
            }
        }
    }

    private static LocatedModel ofFile(Path file) {
        var name =
                GgufParts.joined(file.toAbsolutePath().normalize().getFileName().toString());
        if (Safetensors.isOne(file) && !Files.isDirectory(file)) {
            // All of them are called model.safetensors, so the folder's name is used.
            name = folderName(file);
        }
        return new LocatedModel(
                name.endsWith(GgufChoice.SUFFIX) ? name.substring(0, name.length() - GgufChoice.SUFFIX.length()) : name,
                file);
    }

    private static String folderName(Path file) {
        var folder = file.toAbsolutePath().normalize().getParent();
        return folder == null || folder.getFileName() == null
                ? file.getFileName().toString()
                : folder.getFileName().toString();
    }
}
