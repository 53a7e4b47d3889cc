package dev.llmworker.hub.download;

import dev.llmworker.hub.progress.ByteCount;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// Room on the disk, asked for before a long write rather than found missing in its middle.
public final class DiskSpace {
    /// What is left to others: logs, temporary files, the tensor library's unpacked natives.
    private static final long RESERVE_BYTES = 64_000_000;

    private DiskSpace() {}

    public static void require(Path folder, long bytes, String what) throws IOException {
        var free = Files.getFileStore(folder).getUsableSpace();
        if (bytes > free - RESERVE_BYTES) {
            throw new ModelUnavailableException(what + " needs " + ByteCount.text(bytes) + " in " + folder
                    + "; free are " + ByteCount.text(free) + ", of which " + ByteCount.text(RESERVE_BYTES)
                    + " are kept back. Free some, or set CACHE_DIR to a folder on a larger disk");
        }
    }
}
