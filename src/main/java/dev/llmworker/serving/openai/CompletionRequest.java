package dev.llmworker.serving.openai;

import dev.llmworker.generation.AnswerParts;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.OpenAiRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.serving.request.AnswerFormats;
import dev.llmworker.serving.request.ChatMessages;
import dev.llmworker.serving.request.SamplingFields;
import dev.llmworker.serving.request.ToolFields;
import dev.llmworker.serving.request.UnsupportedFields;
import dev.llmworker.serving.request.WireFormat;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// A request of OpenAI's API. What would change the answer and is not supported is refused by name; fields that are not
/// known are ignored.
///
/// @param generation the first choice
/// @param prompts each gets `perPrompt` choices
/// @param includeUsage whether a stream ends with an event that counts tokens
/// @param routes the tools that are routes: by their names the tags that the client named for them
record CompletionRequest(
        GenerationRequest generation,
        List<Prompt> prompts,
        int perPrompt,
        boolean stream,
        boolean includeUsage,
        Map<String, List<String>> routes) {
    // The golden ratio, as SplitMix64 has it: consecutive choices have seeds that have nothing in common.
    private static final long SEED_STEP = 0x9E3779B97F4A7C15L;

    private static final float DEFAULT_TEMPERATURE = 1;
    private static final int DEFAULT_TEXT_TOKENS = 16;
    private static final String CHOICES = "n";
    private static final String LOGPROBS = "logprobs";
    private static final String TOP_LOGPROBS = "top_logprobs";
    private static final String STREAM_OPTIONS = "stream_options";
    private static final String MAX_REASONING = "max_reasoning_tokens";
    private static final Set<String> OF_CHAT = Stream.of(
                    ToolFields.FIELDS, Set.of(CHOICES, LOGPROBS, TOP_LOGPROBS, MAX_REASONING))
            .flatMap(Set::stream)
            .collect(Collectors.toUnmodifiableSet());

    CompletionRequest withRequestId(String id) {
        return new CompletionRequest(generation.withRequestId(id), prompts, perPrompt, stream, includeUsage, routes);
    }

    private CompletionRequest withRoutes(Map<String, List<String>> routes) {
        return new CompletionRequest(generation, prompts, perPrompt, stream, includeUsage, routes);
    }

    int choices() {
        return prompts.size() * perPrompt;
    }

    /// The request for a choice. With a `seed` the choices of each prompt are what they are for that prompt alone.
    GenerationRequest choice(int index) {
        var sampling = generation.sampling();
        var step = sampling.isSeeded() ? index % perPrompt : index;
        return generation.withChoice(prompts.get(index / perPrompt), sampling.seed() + step * SEED_STEP);
    }

    /// `/v1/chat/completions`: without a limit the answer may fill the context.
    ///
    /// @param routes that a tool of type `route` may be
    /// @throws RequestException naming the field, its value and its limit
    static CompletionRequest chat(Map<?, ?> body, ToolFields.Routes routes) {
        var fields = new RequestFields(body);
        UnsupportedFields.refuse(fields, false, OF_CHAT);
        var top = fields.whole(TOP_LOGPROBS).orElse(0);
        var wanted = fields.flag(LOGPROBS, false);
        if (top != 0 && !wanted) {
            throw RequestException.invalid(TOP_LOGPROBS, "top_logprobs needs \"logprobs\": true");
        }
        checkLogprobs(TOP_LOGPROBS, top, SamplingParameters.MAX_LOGPROBS);
        var tools = ToolFields.read(fields, routes);
        if (!tools.routes().isEmpty() && fields.whole(CHOICES).orElse(1) != 1) {
            throw RequestException.invalid(CHOICES, "n must be 1 if a tool is a route");
        }
        return of(
                        fields,
                        OpenAiRequest.Form.CHAT,
                        List.of(WireFormat.chat(ChatMessages.read(fields), fields)),
                        SamplingFields.maxTokens(fields),
                        wanted ? OptionalInt.of(top) : OptionalInt.empty(),
                        () -> new AnswerParts(tools.use(), fields.whole(MAX_REASONING)))
                .withRoutes(tools.routes());
    }

    /// `/v1/completions`
    ///
    /// @throws RequestException naming the field, its value and its limit
    static CompletionRequest text(Map<?, ?> body) {
        var fields = new RequestFields(body);
        UnsupportedFields.refuse(fields, true, Set.of(CHOICES, LOGPROBS));
        if (fields.has("messages")) {
            throw RequestException.invalid(
                    "messages", "messages are not taken here; send them to /v1/chat/completions");
        }
        var prompts = fields.texts("prompt");
        if (prompts.isEmpty() || prompts.contains("")) {
            throw RequestException.invalid(
                    "prompt",
                    prompts.size() > 1
                            ? "prompt[" + prompts.indexOf("") + "] is empty; it must be at least 1 character"
                            : "prompt is missing or empty; it must be a string of at least 1 character");
        }
        var logprobs = Boolean.FALSE.equals(body.get(LOGPROBS)) ? OptionalInt.empty() : fields.whole(LOGPROBS);
        if (logprobs.isPresent()) {
            checkLogprobs(LOGPROBS, logprobs.getAsInt(), SamplingParameters.MAX_LOGPROBS);
        }
        var limit = SamplingFields.maxTokens(fields);
        return of(
                fields,
                OpenAiRequest.Form.TEXT,
                prompts.stream().<Prompt>map(Prompt.Raw::new).toList(),
                limit.isPresent() ? limit : OptionalInt.of(DEFAULT_TEXT_TOKENS),
                logprobs,
                () -> null);
    }

    private static CompletionRequest of(
            RequestFields fields,
            OpenAiRequest.Form form,
            List<Prompt> prompts,
            OptionalInt maxTokens,
            OptionalInt logprobs,
            Supplier<@Nullable AnswerParts> parts) {
        var stream = fields.flag("stream", false);
        checkStreamOptions(fields, stream);
        var options = new RequestFields(fields.object(STREAM_OPTIONS));
        if (options.flag("continuous_usage_stats", false)) {
            throw RequestException.invalid(STREAM_OPTIONS, "stream_options.continuous_usage_stats is not supported");
        }
        try {
            var asked = new OpenAiRequest(form, fields.fields(), "");
            var perPrompt = asked.choices() / prompts.size();
            return new CompletionRequest(
                    new GenerationRequest(
                                    prompts.getFirst(),
                                    maxTokens,
                                    SamplingFields.sampling(fields, DEFAULT_TEMPERATURE, logprobs),
                                    fields.flag("ignore_eos", false),
                                    fields.whole("min_tokens").orElse(0),
                                    SamplingFields.stops(fields),
                                    true)
                            .withStopTokens(SamplingFields.stopTokens(fields))
                            .withFormat(AnswerFormats.read(fields))
                            .withParts(parts.get()),
                    prompts,
                    perPrompt,
                    stream,
                    options.flag("include_usage", false),
                    Map.of());
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
