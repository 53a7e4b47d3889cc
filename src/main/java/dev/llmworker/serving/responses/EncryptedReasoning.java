package dev.llmworker.serving.responses;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.jspecify.annotations.Nullable;

/// The member `encrypted_content` of reasoning, by which clients that do not store responses send the reasoning back.
/// It hides nothing: the same client sees the reasoning as text. The text is encoded in Base64.
final class EncryptedReasoning {
    static final String FIELD = "encrypted_content";
    /// What a request names in `include` to get it.
    static final String INCLUDED = "reasoning.encrypted_content";

    private static final String PREFIX = "llmworker1.";

    private EncryptedReasoning() {}

    static String of(String text) {
        return PREFIX + Base64.getUrlEncoder().withoutPadding().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }

    /// The text; empty if another server wrote it.
    static String read(@Nullable String content) {
        if (content == null || !content.startsWith(PREFIX)) {
            return "";
        }
        try {
            return new String(
                    Base64.getUrlDecoder().decode(content.substring(PREFIX.length())), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException _) {
            return "";
        }
    }
}
