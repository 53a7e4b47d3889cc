package dev.llmworker.hub;

import dev.llmworker.hub.download.CacheFolder;
import dev.llmworker.hub.download.Downloader;
import dev.llmworker.hub.download.ModelUnavailableException;
import dev.llmworker.hub.download.PartFile;
import dev.llmworker.hub.download.RemoteFile;
import dev.llmworker.weights.GgufParts;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;

/// The files of a repository at one commit, and their place in the cache.
record HubFiles(HubId id, HubListing listing, SnapshotCache cache, URI hub, Downloader downloader) {
    /// Whether the repository holds a model in safetensors, and none in GGUF.
    boolean areSafetensors() {
        return listing.names().stream().noneMatch(name -> name.endsWith(GgufChoice.SUFFIX))
                && SafetensorsFiles.areAmong(listing.names());
    }

    /// Downloads all files of a model in safetensors, the small ones first. Files that an earlier attempt
    /// completed are kept; partial ones are resumed.
    ///
    /// @return the folder
    Path fetchSafetensors() throws IOException, InterruptedException {
        if (!SafetensorsFiles.areAmong(listing.names())) {
            throw new ModelUnavailableException(
                    "MODEL=" + id + ": the repository lacks " + SafetensorsFiles.missing(listing.names()));
        }
        for (var name : SafetensorsFiles.small(listing.names())) {
            fetch(name);
        }
        var folder = cache.place(id, listing.revision(), "");
        var weights = SafetensorsFiles.weights(folder);
        requireSpace(folder, weights);
        for (var name : weights) {
            fetch(name);
        }
        return folder;
    }

    /// Downloads a GGUF model: its file, or all of them. Files that an earlier attempt completed are kept.
    ///
    /// @param first the file, or the first of several
    /// @return the path of it
    Path fetchParts(String first) throws IOException, InterruptedException {
        var all = GgufParts.all(first);
        if (all.size() > 1) {
            var folder = cache.place(id, listing.revision(), "");
            requireSpace(CacheFolder.created(folder), all);
        }
        for (var name : all) {
            fetch(name);
        }
        return cache.place(id, listing.revision(), first);
    }

    private void requireSpace(Path folder, Collection<String> names) throws IOException {
        var bytes = 0L;
        for (var name : names) {
            var file = listing.named(name);
            if (file != null && !Files.exists(folder.resolve(name))) {
                bytes += file.bytes().orElse(0);
                bytes -= new PartFile(folder.resolve(name)).bytes();
            }
        }
        CacheFolder.requireSpace(folder, bytes, id.toString());
    }

    /// @return the path of the downloaded file
    Path fetch(String name) throws IOException, InterruptedException {
        var file = listing.named(name);
        if (file == null) {
            throw new ModelUnavailableException(
                    "MODEL=" + id + ": the repository has no file " + name + "; its .gguf files are "
                            + listing.names().stream()
                                    .filter(other -> other.endsWith(GgufChoice.SUFFIX))
                                    .toList());
        }
        var destination = cache.place(id, listing.revision(), name);
        if (!Files.isRegularFile(destination)) {
            var address = URI.create(hub + "/" + id.repository() + "/resolve/" + listing.revision() + "/" + name);
            downloader.fetch(new RemoteFile(address, name, file.bytes(), file.sha256()), destination);
        }
        return destination;
    }
}
