package dev.llmworker.hub;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.hub.download.CacheFolder;
import dev.llmworker.hub.download.Downloader;
import dev.llmworker.hub.download.ModelUnavailableException;
import dev.llmworker.hub.download.PartFile;
import dev.llmworker.hub.download.RemoteFile;
import dev.llmworker.hub.download.Sha256;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.OptionalLong;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// The files of a repository at one commit, and their place in the cache.
///
/// @param revision the commit that was listed
record HubFiles(
        HubId id, String revision, List<HubFile> files, SnapshotCache cache, URI hub, Downloader downloader) {
    /// @param bytes empty if the hub does not say
    /// @param sha256 null if the hub does not say
    record HubFile(
            String name, OptionalLong bytes, @Nullable String sha256) {}

    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");
    private static final ObjectMapper JSON = new ObjectMapper();

    /// @param json the answer to `/api/models/ORG/NAME?blobs=true`
    static HubFiles parse(String json, HubId id, SnapshotCache cache, URI hub, Downloader downloader)
            throws ModelUnavailableException {
        JsonNode root;
        try {
            root = JSON.readTree(json);
        } catch (JsonProcessingException e) {
            throw new ModelUnavailableException("the hub's list of " + id.repository() + " is not JSON", e);
        }
        var files = new ArrayList<HubFile>();
        for (var sibling : root.path("siblings")) {
            var name = sibling.path("rfilename").asText();
            // Names become paths. A repository may hold files with odd names beside the model.
            if (HubId.isFileName(name)) {
                files.add(file(name, sibling));
            }
        }
        var revision = root.path("sha").asText();
        return new HubFiles(
                id,
                COMMIT.matcher(revision).matches() ? revision : SnapshotCache.UNNAMED_REVISION,
                files,
                cache,
                hub,
                downloader);
    }

    private List<String> names() {
        return files.stream().map(HubFile::name).toList();
    }

    private @Nullable HubFile named(String name) {
        return files.stream()
                .filter(file -> file.name().equals(name))
                .findFirst()
                .orElse(null);
    }

    private static HubFile file(String name, JsonNode sibling) {
        var size = sibling.path("size");
        var sha256 = sibling.path("lfs").path("sha256").asText();
        return new HubFile(
                name,
                size.canConvertToLong() && size.asLong() > 0 ? OptionalLong.of(size.asLong()) : OptionalLong.empty(),
                Sha256.isOne(sha256) ? sha256 : null);
    }

    /// The name of the only GGUF file.
    String onlyGguf() throws ModelUnavailableException {
        return GgufChoice.only(names(), id.repository(), ":");
    }

    /// Whether the repository holds a model in safetensors, and none in GGUF.
    boolean areSafetensors() {
        return names().stream().noneMatch(name -> name.endsWith(GgufChoice.SUFFIX))
                && SafetensorsFiles.areAmong(names());
    }

    /// Downloads all files of a model in safetensors, the small ones first. Files that an earlier attempt
    /// completed are kept; partial ones are resumed.
    ///
    /// @return the folder
    Path fetchSafetensors() throws IOException, InterruptedException {
        if (!SafetensorsFiles.areAmong(names())) {
            throw new ModelUnavailableException(
                    "MODEL=" + id + ": the repository lacks " + SafetensorsFiles.missing(names()));
        }
        for (var name : SafetensorsFiles.small(names())) {
            fetch(name);
        }
        var folder = cache.place(id, revision, "");
        var weights = SafetensorsFiles.weights(folder);
        requireSpace(folder, weights);
        for (var name : weights) {
            fetch(name);
        }
        return folder;
    }

    private void requireSpace(Path folder, Collection<String> names) throws IOException {
        var bytes = 0L;
        for (var name : names) {
            var file = named(name);
            if (file != null && !Files.exists(folder.resolve(name))) {
                bytes += file.bytes().orElse(0);
                bytes -= new PartFile(folder.resolve(name)).bytes();
            }
        }
        CacheFolder.requireSpace(folder, bytes, id.toString());
    }

    /// @return the path of the downloaded file
    Path fetch(String name) throws IOException, InterruptedException {
        var file = named(name);
        if (file == null) {
            throw new ModelUnavailableException(
                    "MODEL=" + id + ": the repository has no file " + name + "; its .gguf files are "
                            + names().stream()
                                    .filter(other -> other.endsWith(GgufChoice.SUFFIX))
                                    .toList());
        }
        var destination = cache.place(id, revision, name);
        if (!Files.isRegularFile(destination)) {
            var address = URI.create(hub + "/" + id.repository() + "/resolve/" + revision + "/" + name);
            downloader.fetch(new RemoteFile(address, name, file.bytes(), file.sha256()), destination);
        }
        return destination;
    }
}
