package dev.llmworker.hub.download;

import dev.llmworker.hub.progress.ByteCount;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// Checks the free disk space before a long write, so that the write does not fail halfway.
public final class DiskSpace {
    /// Kept free for others: logs, temporary files, the tensor library's unpacked natives.
    private static final long RESERVE_BYTES = 64_000_000;

    private DiskSpace() {}

    public static void require(Path folder, long bytes, String what) throws IOException {
        var free = Files.getFileStore(folder).getUsableSpace();
        if (bytes > free - RESERVE_BYTES) {
            throw new ModelUnavailableException(what + " needs " + ByteCount.text(bytes) + " in " + folder
                    + "; " + ByteCount.text(free) + ", of which " + ByteCount.text(RESERVE_BYTES)
                    + " are reserved. Free some space, or set CACHE_DIR to a folder on a larger disk");
        }
    }
}
