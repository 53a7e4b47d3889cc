package dev.llmworker.engine;

import dev.llmworker.generation.PrefixHold;
import dev.llmworker.generation.Share;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.text.chat.ChatFormat;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Requests without options that change their logits, read their scores or end their text.
final class PlainAdmission {
    private PlainAdmission() {}

    static Admission of(
            long id,
            int[] prompt,
            int tokenLimit,
            boolean ignoreEos,
            SamplingParameters sampling,
            long timeoutNanos,
            String cacheSalt) {
        return of(id, prompt, tokenLimit, ignoreEos, sampling, timeoutNanos, cacheSalt, Share.NONE, null);
    }

    static Admission of(
            long id,
            int[] prompt,
            int tokenLimit,
            boolean ignoreEos,
            SamplingParameters sampling,
            long timeoutNanos,
            String cacheSalt,
            Share share,
            @Nullable PrefixHold hold) {
        return new Admission(
                id,
                prompt,
                tokenLimit,
                ignoreEos,
                sampling,
                timeoutNanos,
                cacheSalt,
                share,
                hold,
                0,
                List.of(),
                Map.of(),
                null,
                null,
                null,
                null,
                ChatFormat.Start.OPEN);
    }
}
