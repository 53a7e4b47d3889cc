package dev.llmworker.hub;

import dev.llmworker.weights.GgufParts;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// A folder in the layout of the Hugging Face cache: `models--ORG--NAME/snapshots/REVISION/FILE`, with the
/// current revision's name in `refs/main`. RunPod's cached models use this layout, and so do this worker's
/// downloads.
record SnapshotCache(Path root) {
    /// The revision of a download if the hub names none.
    static final String UNNAMED_REVISION = "main";

    private static final Pattern REVISION = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,99}");
    private static final int MAX_DEPTH = 5;

    /// The model's GGUF file, or the folder of its safetensors; null if this cache does not have it.
    ///
    /// @throws ModelUnavailableException if the id names no file and the newest snapshot has several
    @Nullable
    Path find(HubId id) throws IOException {
        for (var snapshot : snapshots(id)) {
            var named = id.file();
            if (named != null) {
                var file = snapshot.resolve(named);
                var whole = SafetensorsFiles.isNamed(named)
                        ? SafetensorsFiles.areIn(snapshot)
                        : partsAreIn(snapshot, named);
                if (Files.isRegularFile(file) && whole) {
                    return file;
                }
                continue;
            }
            var files = ggufFiles(snapshot);
            // A snapshot holds only what somebody asked for: perhaps just a configuration.
            if (!files.isEmpty()) {
                var only = GgufChoice.only(files, id.repository(), ":");
                if (partsAreIn(snapshot, only)) {
                    return snapshot.resolve(only);
                }
                continue;
            }
            if (SafetensorsFiles.areIn(snapshot)) {
                return snapshot;
            }
        }
        return null;
    }

    /// Whether all files of a GGUF model are there: a download may have ended between two.
    private static boolean partsAreIn(Path snapshot, String name) {
        return GgufParts.all(name).stream().allMatch(part -> Files.isRegularFile(snapshot.resolve(part)));
    }

    /// The path for a file of this revision.
    Path place(HubId id, String revision, String file) {
        return folder(id).resolve("snapshots").resolve(revision).resolve(file);
    }

    Path folder(HubId id) {
        return root.resolve(id.folderName());
    }

    /// Makes this the revision that `find` prefers.
    void makeCurrent(HubId id, String revision) throws IOException {
        var refs = Files.createDirectories(folder(id).resolve("refs"));
        Files.writeString(refs.resolve("main"), revision);
    }

    /// The snapshots: the current one first, the others by name.
    private List<Path> snapshots(HubId id) throws IOException {
        var names = new LinkedHashSet<String>();
        var current = folder(id).resolve("refs").resolve("main");
        if (Files.isRegularFile(current)) {
            var revision = Files.readString(current).strip();
            if (REVISION.matcher(revision).matches()) {
                names.add(revision);
            }
        }
        var all = folder(id).resolve("snapshots");
        if (Files.isDirectory(all)) {
            try (var found = Files.list(all)) {
                found.map(path -> path.getFileName().toString()).sorted().forEach(names::add);
            }
        }
        var snapshots = new ArrayList<Path>();
        names.forEach(name -> snapshots.add(all.resolve(name)));
        snapshots.removeIf(snapshot -> !Files.isDirectory(snapshot));
        return snapshots;
    }

    private static List<String> ggufFiles(Path snapshot) throws IOException {
        try (var files = Files.walk(snapshot, MAX_DEPTH)) {
            // The files are links into a store of blobs. A link whose blob is missing does not count.
            return files.filter(file -> file.toString().endsWith(GgufChoice.SUFFIX) && Files.isRegularFile(file))
                    .sorted(Comparator.naturalOrder())
                    .map(file -> snapshot.relativize(file).toString())
                    .toList();
        }
    }
}
