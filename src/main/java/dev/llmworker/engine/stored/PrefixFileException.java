package dev.llmworker.engine.stored;

import java.io.IOException;

/// A file of a prefix that cannot be used: it is damaged, or something else wrote it.
public final class PrefixFileException extends IOException {
    private static final long serialVersionUID = 1;

    PrefixFileException(String problem) {
        super(problem);
    }
}
