package dev.llmworker.serving.openai;

import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.serving.request.AnswerFormats;
import dev.llmworker.serving.request.ChatMessages;
import dev.llmworker.serving.request.SamplingFields;
import dev.llmworker.serving.request.UnsupportedFields;
import dev.llmworker.serving.request.WireFormat;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;

/// A request of OpenAI's API. What would change the answer and is not supported is refused by name; fields that are not
/// known are ignored.
///
/// @param includeUsage whether a stream ends with an event that counts tokens
record CompletionRequest(GenerationRequest generation, boolean stream, boolean includeUsage) {
    private static final float DEFAULT_TEMPERATURE = 1;
    private static final int DEFAULT_TEXT_TOKENS = 16;
    private static final int MAX_TEXT_LOGPROBS = 5;
    private static final String LOGPROBS = "logprobs";
    private static final String TOP_LOGPROBS = "top_logprobs";
    private static final String STREAM_OPTIONS = "stream_options";

    CompletionRequest withRequestId(String id) {
        return new CompletionRequest(generation.withRequestId(id), stream, includeUsage);
    }

    /// `/v1/chat/completions`: without a limit the answer may fill the context.
    ///
    /// @throws RequestException naming the field, its value and its limit
    static CompletionRequest chat(Map<?, ?> body) {
        var fields = new RequestFields(body);
        UnsupportedFields.refuse(fields, false, Set.of(LOGPROBS, TOP_LOGPROBS));
        var top = fields.whole(TOP_LOGPROBS).orElse(0);
        var wanted = fields.flag(LOGPROBS, false);
        if (top != 0 && !wanted) {
            throw RequestException.invalid(TOP_LOGPROBS, "top_logprobs needs \"logprobs\": true");
        }
        checkLogprobs(TOP_LOGPROBS, top, SamplingParameters.MAX_LOGPROBS);
        return of(
                fields,
                WireFormat.chat(ChatMessages.read(fields), fields),
                SamplingFields.maxTokens(fields),
                wanted ? OptionalInt.of(top) : OptionalInt.empty());
    }

    /// `/v1/completions`
    ///
    /// @throws RequestException naming the field, its value and its limit
    static CompletionRequest text(Map<?, ?> body) {
        var fields = new RequestFields(body);
        UnsupportedFields.refuse(fields, true, Set.of(LOGPROBS));
        var prompts = fields.texts("prompt");
        if (prompts.size() != 1 || prompts.getFirst().isEmpty()) {
            throw RequestException.invalid(
                    "prompt",
                    prompts.size() > 1
                            ? "prompt has " + prompts.size() + " prompts; it must be one"
                            : "prompt is missing or empty; it must be a string of at least 1 character");
        }
        var logprobs = Boolean.FALSE.equals(body.get(LOGPROBS)) ? OptionalInt.empty() : fields.whole(LOGPROBS);
        if (logprobs.isPresent()) {
            checkLogprobs(LOGPROBS, logprobs.getAsInt(), MAX_TEXT_LOGPROBS);
        }
        var limit = SamplingFields.maxTokens(fields);
        return of(
                fields,
                new Prompt.Raw(prompts.getFirst()),
                limit.isPresent() ? limit : OptionalInt.of(DEFAULT_TEXT_TOKENS),
                logprobs);
    }

    private static CompletionRequest of(
            RequestFields fields, Prompt prompt, OptionalInt maxTokens, OptionalInt logprobs) {
        var stream = fields.flag("stream", false);
        checkStreamOptions(fields, stream);
        var options = new RequestFields(fields.object(STREAM_OPTIONS));
        if (options.flag("continuous_usage_stats", false)) {
            throw RequestException.invalid(STREAM_OPTIONS, "stream_options.continuous_usage_stats is not supported");
        }
        try {
            return new CompletionRequest(
                    new GenerationRequest(
                                    prompt,
                                    maxTokens,
                                    SamplingFields.sampling(fields, DEFAULT_TEMPERATURE, logprobs),
                                    fields.flag("ignore_eos", false),
                                    fields.whole("min_tokens").orElse(0),
                                    SamplingFields.stops(fields),
                                    true)
                            .withStopTokens(SamplingFields.stopTokens(fields))
                            .withFormat(AnswerFormats.read(fields)),
                    stream,
                    options.flag("include_usage", false));
        } catch (IllegalArgumentException e) {
            throw fields.refusal(e);
        }
    }

    /// Options of a stream need one, unless they ask for nothing.
    static void checkStreamOptions(RequestFields fields, boolean stream) {
        var options = fields.object(STREAM_OPTIONS);
        if (!stream && !UnsupportedFields.asksForNothing(options)) {
            throw RequestException.invalid(STREAM_OPTIONS, "stream_options needs \"stream\": true");
        }
    }

    private static void checkLogprobs(String name, int number, int most) {
        if (number < 0 || number > most) {
            throw RequestException.invalid(name, name + " is " + number + "; it must be from 0 to " + most);
        }
    }
}
