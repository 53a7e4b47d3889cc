package dev.llmworker.serving.openai;

import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.serving.wire.ChatMessages;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.SamplingFields;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/// A request of OpenAI's API. What would change the answer and is not supported is refused by name; fields that are not
/// known are ignored.
///
/// @param includeUsage whether a stream ends with an event that counts tokens
record CompletionRequest(GenerationRequest generation, boolean stream, boolean includeUsage) {
    private static final float DEFAULT_TEMPERATURE = 1;
    private static final int DEFAULT_TEXT_TOKENS = 16;
    private static final List<String> UNSUPPORTED =
            List.of("tools", "functions", "audio", "suffix", "web_search_options");

    CompletionRequest withRequestId(String id) {
        return new CompletionRequest(generation.withRequestId(id), stream, includeUsage);
    }

    /// `/v1/chat/completions`: without a limit the answer may fill the context.
    ///
    /// @throws RequestException naming the field, its value and its limit
    static CompletionRequest chat(Map<?, ?> body) {
        var fields = new RequestFields(body);
        var top = fields.whole("top_logprobs");
        var wanted = fields.flag("logprobs", false);
        if (top.isPresent() && !wanted) {
            throw RequestException.invalid("top_logprobs", "top_logprobs needs \"logprobs\": true");
        }
        if (top.isPresent()) {
            checkLogprobs("top_logprobs", top.getAsInt());
        }
        var limit = fields.whole("max_completion_tokens");
        return of(
                fields,
                new Prompt.Chat(ChatMessages.read(fields)),
                limit.isPresent() ? limit : fields.whole("max_tokens"),
                wanted ? OptionalInt.of(top.orElse(0)) : OptionalInt.empty());
    }

    /// `/v1/completions`
    ///
    /// @throws RequestException naming the field, its value and its limit
    static CompletionRequest text(Map<?, ?> body) {
        var fields = new RequestFields(body);
        var prompts = fields.texts("prompt");
        if (prompts.size() != 1 || prompts.getFirst().isEmpty()) {
            throw RequestException.invalid(
                    "prompt",
                    prompts.size() > 1
                            ? "prompt has " + prompts.size() + " prompts; it must be one"
                            : "prompt is missing or empty; it must be a string of at least 1 character");
        }
        if (fields.flag("echo", false)) {
            throw unsupported("echo");
        }
        checkOne(fields, "best_of");
        var logprobs = fields.whole("logprobs");
        if (logprobs.isPresent()) {
            checkLogprobs("logprobs", logprobs.getAsInt());
        }
        var limit = fields.whole("max_tokens");
        return of(
                fields,
                new Prompt.Raw(prompts.getFirst()),
                limit.isPresent() ? limit : OptionalInt.of(DEFAULT_TEXT_TOKENS),
                logprobs);
    }

    private static CompletionRequest of(
            RequestFields fields, Prompt prompt, OptionalInt maxTokens, OptionalInt logprobs) {
        refuseUnsupported(fields);
        var stream = fields.flag("stream", false);
        if (fields.has("stream_options") && !stream) {
            throw RequestException.invalid("stream_options", "stream_options needs \"stream\": true");
        }
        var options = new RequestFields(fields.object("stream_options"));
        try {
            return new CompletionRequest(
                    new GenerationRequest(
                            prompt,
                            maxTokens,
                            SamplingFields.sampling(fields, DEFAULT_TEMPERATURE, logprobs),
                            fields.flag("ignore_eos", false),
                            fields.whole("min_tokens").orElse(0),
                            fields.texts("stop"),
                            true),
                    stream,
                    options.flag("include_usage", false));
        } catch (IllegalArgumentException e) {
            throw RequestException.of(e);
        }
    }

    private static void refuseUnsupported(RequestFields fields) {
        for (var name : UNSUPPORTED) {
            var value = fields.fields().get(name);
            if (value != null && !value.equals("") && !value.equals(List.of())) {
                throw unsupported(name);
            }
        }
        var format = new RequestFields(fields.object("response_format")).textOrNull("type");
        if (format != null && !format.equals("text")) {
            throw unsupported("response_format");
        }
        if (fields.has("modalities") && !fields.texts("modalities").equals(List.of("text"))) {
            throw unsupported("modalities");
        }
        checkOne(fields, "n");
    }

    private static void checkOne(RequestFields fields, String name) {
        var number = fields.whole(name).orElse(1);
        if (number != 1) {
            throw RequestException.invalid(name, name + " is " + number + "; it must be 1");
        }
    }

    private static void checkLogprobs(String name, int number) {
        if (number < 0 || number > SamplingParameters.MAX_LOGPROBS) {
            throw RequestException.invalid(
                    name, name + " is " + number + "; it must be from 0 to " + SamplingParameters.MAX_LOGPROBS);
        }
    }

    private static RequestException unsupported(String name) {
        return RequestException.invalid(name, name + " is not supported");
    }
}
