package dev.llmworker.hub;

import dev.llmworker.hub.download.Backoff;
import dev.llmworker.hub.download.CacheFolder;
import dev.llmworker.hub.download.Downloader;
import dev.llmworker.hub.download.FetchLock;
import dev.llmworker.hub.download.ModelUnavailableException;
import dev.llmworker.hub.download.TransferException;
import dev.llmworker.hub.download.WebClient;
import dev.llmworker.hub.progress.Progress;
import dev.llmworker.weights.GgufParts;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Finds models of the Hugging Face hub: in a cache that has them, or else by downloading them into this worker's
/// own cache.
final class HuggingFace {
    private static final Logger LOG = LoggerFactory.getLogger(HuggingFace.class);
    private static final String PUBLIC_HUB = "https://huggingface.co";
    private static final int MAX_LISTING_BYTES = 16 << 20;

    private final Function<String, @Nullable String> environment;
    private final Path runPodVolume;
    private final Backoff backoff;
    private final Progress progress;

    /// @param runPodVolume where RunPod mounts its cached models
    HuggingFace(Function<String, @Nullable String> environment, Path runPodVolume, Backoff backoff, Progress progress) {
        this.environment = environment;
        this.runPodVolume = runPodVolume;
        this.backoff = backoff;
        this.progress = progress;
    }

    Path file(HubId id) throws IOException, InterruptedException {
        var own = new SnapshotCache(CacheFolder.of(environment).resolve("hub"));
        requireModelName(id);
        requireFirst(id);
        var runPods =
                new SnapshotCache(runPodVolume.resolve("huggingface-cache").resolve("hub"));
        for (var cache : List.of(runPods, usersCache(), own)) {
            var file = cache.find(id);
            if (file != null) {
                LOG.info("MODEL={} is in {}", id, file);
                return file;
            }
        }
        requireOnline(id);
        try (var _ = FetchLock.of(own.folder(id))) {
            var fetchedMeanwhile = own.find(id);
            return fetchedMeanwhile != null ? fetchedMeanwhile : download(id, own);
        }
    }

    private static void requireModelName(HubId id) throws ModelUnavailableException {
        var named = id.file();
        if (named != null && !named.endsWith(GgufChoice.SUFFIX) && !SafetensorsFiles.isNamed(named)) {
            throw new ModelUnavailableException("MODEL=" + id + ": " + named + " is not a .gguf file, "
                    + SafetensorsFiles.SINGLE + " or " + SafetensorsFiles.INDEX);
        }
    }

    /// A part of a model in several files does not stand for all of them, unless it is the first one.
    private static void requireFirst(HubId id) throws ModelUnavailableException {
        var named = id.file();
        if (named != null) {
            GgufChoice.requireWhole(named, GgufParts.all(named), id.toString());
        }
    }

    private void requireOnline(HubId id) throws ModelUnavailableException {
        var offline = CacheFolder.nonBlank(environment.apply("HF_HUB_OFFLINE"));
        if (offline != null && List.of("1", "true", "yes", "on").contains(offline.toLowerCase(Locale.ROOT))) {
            throw new ModelUnavailableException("MODEL=" + id
                    + " is not in a cache on this machine, and HF_HUB_OFFLINE=" + offline + " forbids the download");
        }
    }

    private SnapshotCache usersCache() {
        var hub = CacheFolder.nonBlank(environment.apply("HF_HUB_CACHE"));
        if (hub != null) {
            return new SnapshotCache(Path.of(hub));
        }
        var home = CacheFolder.nonBlank(environment.apply("HF_HOME"));
        var base = home != null
                ? Path.of(home)
                : CacheFolder.home(environment).resolve(".cache").resolve("huggingface");
        return new SnapshotCache(base.resolve("hub"));
    }

    private Path download(HubId id, SnapshotCache own) throws IOException, InterruptedException {
        var hub = hub();
        var token = CacheFolder.nonBlank(environment.apply("HF_TOKEN"));
        var credential = token == null ? null : new WebClient.Credential(hub, token);
        try (var web = new WebClient(credential)) {
            var listing = listing(id, hub, web);
            var files = new HubFiles(id, listing, own, hub, new Downloader(web, backoff, progress));
            var named = id.file();
            if (SafetensorsFiles.isNamed(named) || named == null && files.areSafetensors()) {
                var folder = files.fetchSafetensors();
                own.makeCurrent(id, listing.revision());
                return named == null ? folder : folder.resolve(named);
            }
            var name = named != null ? named : GgufChoice.only(listing.names(), id.repository(), ":");
            GgufChoice.requireWhole(name, listing.names(), id.toString());
            var destination = files.fetchParts(name);
            own.makeCurrent(id, listing.revision());
            return destination;
        }
    }

    private HubListing listing(HubId id, URI hub, WebClient web) throws IOException, InterruptedException {
        var address = URI.create(hub + "/api/models/" + id.repository() + "?blobs=true");
        for (var failures = 1; ; failures++) {
            try (var answer = web.get(address, Map.of())) {
                switch (answer.status()) {
                    case 200 -> {
                        return HubListing.parse(WebClient.text(answer, MAX_LISTING_BYTES), id.repository());
                    }
                    case 401, 403, 404 ->
                        throw new ModelUnavailableException("MODEL=" + id + ": the hub answered HTTP "
                                + answer.status() + ": there is no such model, or it is private or gated and HF_TOKEN "
                                + (web.hasCredential() ? "does not open it" : "is not set"));
                    default -> throw new TransferException("the hub answered HTTP " + answer.status());
                }
            } catch (TransferException e) {
                if (failures >= backoff.attempts()) {
                    throw new ModelUnavailableException(
                            "MODEL=" + id + " is not in a cache on this machine, and " + hub.getHost()
                                    + " cannot be reached: " + e.getMessage(),
                            e);
                }
                LOG.warn("cannot list {} on the hub: {}; trying again", id.repository(), e.getMessage());
                backoff.pause().millis(backoff.waitMillis(failures, e.retryAfterMillis()));
            }
        }
    }

    private URI hub() throws ModelUnavailableException {
        var endpoint = CacheFolder.nonBlank(environment.apply("HF_ENDPOINT"));
        var address = endpoint == null ? PUBLIC_HUB : endpoint.replaceAll("/+$", "");
        try {
            var hub = URI.create(address);
            if (hub.getHost() != null && ("https".equals(hub.getScheme()) || "http".equals(hub.getScheme()))) {
                return hub;
            }
        } catch (IllegalArgumentException e) {
            throw new ModelUnavailableException("HF_ENDPOINT is not a URL: " + e.getMessage(), e);
        }
        throw new ModelUnavailableException("HF_ENDPOINT=" + address + " must begin with https://HOST or http://HOST");
    }
}
