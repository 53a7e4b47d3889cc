package dev.llmworker.serving.access;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// The content of a file that is read again and again. A new content counts once two reads in a row have found it: a
/// reader that meets a writer in the middle sees half of it.
///
/// Threading: one thread at a time.
public final class Settled {
    private byte[] current;
    private byte @Nullable [] seen;

    /// @param current what counts already
    public Settled(byte[] current) {
        this.current = current;
    }

    /// Whether `now` is a new content, and counts from now on.
    public boolean isNew(byte[] now) {
        var settled = Arrays.equals(seen, now) && !Arrays.equals(current, now);
        seen = now;
        if (settled) {
            current = now;
        }
        return settled;
    }
}
