package dev.llmworker.text;

import java.util.concurrent.CancellationException;

/// Converts text to token ids. If the thread is interrupted, the conversion of a long text ends with a
/// [CancellationException].
///
/// Threading: any thread.
@FunctionalInterface
public interface TextEncoder {
    /// Names of control tokens become these tokens, unless a [NameGuard] broke them.
    ///
    /// @param guarded without lone surrogates
    int[] encode(String guarded);

    /// Like [#encode], for a text that is not guarded: each name in it is a token.
    ///
    /// @param trusted without lone surrogates
    default int[] encodeTrusted(String trusted) {
        return encode(NameGuard.escaped(trusted));
    }

    /// For loops over a text: looks every 65,536 steps.
    ///
    /// @param step counts from 0
    /// @throws CancellationException if the thread is interrupted
    static void stopIfInterrupted(int step) {
        if ((step & 0xFFFF) == 0xFFFF) {
            stopIfInterrupted();
        }
    }

    /// Ends the work on a long text that nobody waits for any more.
    ///
    /// @throws CancellationException if the thread is interrupted
    static void stopIfInterrupted() {
        if (Thread.currentThread().isInterrupted()) {
            throw new CancellationException("nobody waits for this text any more");
        }
    }
}
