package dev.llmworker.generation;

import dev.llmworker.sampling.ParameterException;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.text.chat.Tool;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// A request for text. All limits that do not depend on the model have been checked.
///
/// @param maxTokens the most tokens to generate, at least 1; if empty, `fillsContext` decides. The context must hold
///     them, unless `cutsAtContext` is true
/// @param ignoreEos continues past the model's end-of-sequence tokens, up to `maxTokens`
/// @param minTokens the least tokens to generate before an end-of-sequence token or a stop sequence may end the
///     answer
/// @param stop the answer ends before the first of these; at most [#MAX_STOPS]. The name of a control token matches
///     the token
/// @param stopTokens ids of tokens that end the answer like the model's end-of-sequence token, even with `ignoreEos`;
///     at most [#MAX_STOP_TOKENS]
/// @param fillsContext without `maxTokens`, the answer may fill the context instead of ending after
///     [#DEFAULT_MAX_TOKENS]
/// @param cutsAtContext whether `maxTokens` may be more than the context leaves: the answer then ends when the context
///     is full
/// @param requestId the request's id in logs, here and in other servers; empty if the client sent none
/// @param cacheSalt the request reuses cached prefixes only of requests with the same salt
/// @param share whose request it is, if slots are scarce
/// @param hold keeps the cached prefix for the next request of its conversation; null if none is expected
/// @param format what the answer must look like; null if it may be any text
/// @param parts asks for the answer in parts; null for one text, in which reasoning and calls stand as the model writes
///     them
public record GenerationRequest(
        Prompt prompt,
        OptionalInt maxTokens,
        SamplingParameters sampling,
        boolean ignoreEos,
        int minTokens,
        List<String> stop,
        List<Integer> stopTokens,
        boolean fillsContext,
        boolean cutsAtContext,
        String requestId,
        String cacheSalt,
        Share share,
        @Nullable PrefixHold hold,
        @Nullable AnswerFormat format,
        @Nullable AnswerParts parts) {
    public static final int DEFAULT_MAX_TOKENS = 100;
    public static final float DEFAULT_TEMPERATURE = 0.7f;
    public static final int MAX_STOPS = 8;
    public static final int MAX_STOP_TOKENS = 64;
    public static final int MAX_STOP_CHARACTERS = 256;
    /// Parsed JSON takes up to this many bytes for each character. The worst case is nested empty lists.
    private static final long PARSED_BYTES_PER_CHARACTER = 40;

    public GenerationRequest {
        stop = List.copyOf(stop);
        stopTokens = List.copyOf(stopTokens);
        if (maxTokens.isPresent() && maxTokens.getAsInt() < 1) {
            throw new ParameterException("max_tokens", maxTokens.getAsInt(), "at least 1");
        }
        if (minTokens < 0 || (maxTokens.isPresent() && minTokens > maxTokens.getAsInt())) {
            throw new ParameterException("min_tokens", minTokens, "from 0 to max_tokens");
        }
        var enforced = format != null
                ? format.field()
                : parts != null && parts.tools().isRequired() ? "a tool_choice that requires a call" : null;
        if (enforced != null && (ignoreEos || minTokens > 0)) {
            throw new ParameterException(
                    ignoreEos ? "ignore_eos" : "min_tokens",
                    (ignoreEos ? "ignore_eos" : "min_tokens") + " and " + enforced
                            + " are both there; a format says itself where its answer ends");
        }
        if (format != null && parts != null && parts.tools().isRequired()) {
            throw new ParameterException(
                    format.field(),
                    format.field()
                            + " and a tool_choice that requires a call are both there; the answer cannot be both");
        }
        if (stop.size() > MAX_STOPS) {
            throw new ParameterException("stop", "stop has " + stop.size() + " sequences; the limit is " + MAX_STOPS);
        }
        for (var sequence : stop) {
            if (sequence.isEmpty() || sequence.length() > MAX_STOP_CHARACTERS) {
                throw new ParameterException(
                        "stop",
                        "stop has a sequence of " + sequence.length() + " characters; it must be 1 to "
                                + MAX_STOP_CHARACTERS);
            }
        }
    }

    public GenerationRequest(
            Prompt prompt,
            OptionalInt maxTokens,
            SamplingParameters sampling,
            boolean ignoreEos,
            int minTokens,
            List<String> stop,
            boolean fillsContext) {
        this(
                prompt,
                maxTokens,
                sampling,
                ignoreEos,
                minTokens,
                stop,
                List.of(),
                fillsContext,
                false,
                "",
                "",
                Share.NONE,
                null,
                null,
                null);
    }

    /// A request that ends at the model's end token or at its length.
    public GenerationRequest(Prompt prompt, OptionalInt maxTokens, SamplingParameters sampling, boolean ignoreEos) {
        this(prompt, maxTokens, sampling, ignoreEos, 0, List.of(), false);
    }

    /// As one of several choices, each with a seed of its own.
    public GenerationRequest withChoice(Prompt prompt, long seed) {
        return changed(copy -> {
            copy.prompt = prompt;
            copy.sampling = sampling.withSeed(seed);
        });
    }

    public GenerationRequest withPrompt(Prompt prompt) {
        return changed(copy -> copy.prompt = prompt);
    }

    public GenerationRequest withRequestId(String id) {
        return changed(copy -> copy.requestId = id);
    }

    public GenerationRequest withStopTokens(List<Integer> ids) {
        return changed(copy -> copy.stopTokens = ids);
    }

    /// As a request whose answer may be cut by the end of the context.
    public GenerationRequest withCutAtContext() {
        return changed(copy -> copy.cutsAtContext = true);
    }

    public GenerationRequest withCacheSalt(String salt) {
        return changed(copy -> copy.cacheSalt = salt);
    }

    public GenerationRequest withShare(Share share) {
        return changed(copy -> copy.share = share);
    }

    public GenerationRequest withHold(PrefixHold hold) {
        return changed(copy -> copy.hold = hold);
    }

    public GenerationRequest withFormat(@Nullable AnswerFormat format) {
        return changed(copy -> copy.format = format);
    }

    /// @throws ParameterException if it asks for a format and for calls that have their own
    public GenerationRequest withParts(@Nullable AnswerParts parts) {
        return changed(copy -> copy.parts = parts);
    }

    private GenerationRequest changed(Consumer<Copy> change) {
        var copy = new Copy(this);
        change.accept(copy);
        return new GenerationRequest(
                copy.prompt,
                maxTokens,
                copy.sampling,
                ignoreEos,
                minTokens,
                stop,
                copy.stopTokens,
                fillsContext,
                copy.cutsAtContext,
                copy.requestId,
                copy.cacheSalt,
                copy.share,
                copy.hold,
                copy.format,
                copy.parts);
    }

    /// What may differ in a copy of a request.
    private static final class Copy {
        private Prompt prompt;
        private SamplingParameters sampling;
        private List<Integer> stopTokens;
        private boolean cutsAtContext;
        private String requestId;
        private String cacheSalt;
        private Share share;
        private @Nullable PrefixHold hold;
        private @Nullable AnswerFormat format;
        private @Nullable AnswerParts parts;

        Copy(GenerationRequest request) {
            prompt = request.prompt;
            sampling = request.sampling;
            stopTokens = request.stopTokens;
            cutsAtContext = request.cutsAtContext;
            requestId = request.requestId;
            cacheSalt = request.cacheSalt;
            share = request.share;
            hold = request.hold;
            format = request.format;
            parts = request.parts;
        }
    }

    /// About how many bytes it takes to encode the prompt, beside its texts: the JSON of tools and of calls is parsed
    /// and changed for the template.
    public long encodingBytes() {
        return encodingBytes(prompt, parts == null ? List.of() : parts.tools().offered());
    }

    /// As [#encodingBytes()], of a prompt alone.
    ///
    /// @param tools that a conversation offers the model
    public static long encodingBytes(Prompt prompt, List<Tool> tools) {
        var calls = prompt instanceof Prompt.Chat chat
                ? chat.messages().stream()
                        .flatMap(message -> message.toolCalls().stream())
                        .mapToLong(call -> call.arguments().length())
                        .sum()
                : 0;
        var schemas =
                tools.stream().mapToLong(tool -> tool.parameters().length()).sum();
        return PARSED_BYTES_PER_CHARACTER * (calls + schemas);
    }

    /// The most tokens to generate, including the default; the context may hold fewer.
    public int tokenLimit() {
        return maxTokens.orElse(fillsContext ? Integer.MAX_VALUE : DEFAULT_MAX_TOKENS);
    }
}
