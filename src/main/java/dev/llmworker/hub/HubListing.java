package dev.llmworker.hub;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.hub.download.ModelUnavailableException;
import dev.llmworker.hub.download.Sha256;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// The hub's list of a repository's files.
///
/// @param revision the commit that was listed
record HubListing(String revision, List<HubFile> files) {
    /// @param bytes empty if the hub does not say
    /// @param sha256 null if the hub does not say
    record HubFile(
            String name, OptionalLong bytes, @Nullable String sha256) {}

    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");
    private static final ObjectMapper JSON = new ObjectMapper();

    /// @param json the answer to `/api/models/ORG/NAME?blobs=true`
    static HubListing parse(String json, String repository) throws ModelUnavailableException {
        JsonNode root;
        try {
            root = JSON.readTree(json);
        } catch (JsonProcessingException e) {
            throw new ModelUnavailableException("the hub's list of " + repository + " is not JSON", e);
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
        return new HubListing(COMMIT.matcher(revision).matches() ? revision : SnapshotCache.UNNAMED_REVISION, files);
    }

    List<String> names() {
        return files.stream().map(HubFile::name).toList();
    }

    @Nullable
    HubFile named(String name) {
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
}
