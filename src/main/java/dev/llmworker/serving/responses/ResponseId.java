package dev.llmworker.serving.responses;

import java.security.SecureRandom;
import java.util.HexFormat;

/// Random ids of responses and of their items.
final class ResponseId {
    private static final int RANDOM_BYTES = 16;
    private static final SecureRandom RANDOM = new SecureRandom();

    private ResponseId() {}

    /// @param prefix says what it is of: `resp_`
    static String of(String prefix) {
        var bytes = new byte[RANDOM_BYTES];
        RANDOM.nextBytes(bytes);
        return prefix + HexFormat.of().formatHex(bytes);
    }
}
