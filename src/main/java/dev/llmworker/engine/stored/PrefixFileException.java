package dev.llmworker.engine.stored;

import java.io.IOException;

/// A file of this folder and layout is damaged.
public final class PrefixFileException extends IOException {
    private static final long serialVersionUID = 1;

    PrefixFileException(String problem) {
        super(problem);
    }
}
