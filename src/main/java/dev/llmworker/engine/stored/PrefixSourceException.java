package dev.llmworker.engine.stored;

import java.io.IOException;

/// A prefix is not written, because a part of it cannot be read from its earlier file. Others can still be written.
public final class PrefixSourceException extends IOException {
    private static final long serialVersionUID = 1;

    PrefixSourceException(IOException cause) {
        super(cause);
    }

    /// Whether the earlier file is damaged. If not, another worker may have deleted it, or it can be read later.
    public boolean isDamaged() {
        return getCause() instanceof PrefixFileException;
    }
}
