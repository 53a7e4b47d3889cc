package dev.llmworker.hub.download;

import java.io.IOException;

/// An interrupt that arrived while a file was read or written.
public final class Interruption {
    private Interruption() {}

    /// File channels report an interrupt as an I/O failure and leave the thread's flag set. Here only the
    /// exception tells the caller.
    public static InterruptedException of(IOException interrupted) {
        Thread.interrupted();
        var exception = new InterruptedException(interrupted.toString());
        exception.initCause(interrupted);
        return exception;
    }
}
