package dev.llmworker.serving.access;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/// An API key, of which only the hash is known.
///
/// @param hash its SHA-256 in hexadecimal digits; it tells clients apart
public record ApiKey(String hash) {
    private static final int LABEL_DIGITS = 8;

    static ApiKey of(String text) {
        try {
            var sha256 = MessageDigest.getInstance("SHA-256");
            return new ApiKey(HexFormat.of().formatHex(sha256.digest(text.getBytes(StandardCharsets.UTF_8))));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    /// Names it in logs and metrics. Two keys may have the same label.
    public String label() {
        return hash.substring(0, LABEL_DIGITS);
    }
}
