package dev.llmworker.engine.stored;

import java.io.IOException;

/// Nothing shows that a worker with the folder's salt wrote the file for this layout.
final class ForeignFileException extends IOException {
    private static final long serialVersionUID = 1;

    ForeignFileException(String reason) {
        super(reason);
    }
}
