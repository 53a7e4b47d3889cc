package dev.llmworker.remote;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.util.RawValue;
import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.OpenAiRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.chat.ToolCall;
import io.vertx.core.buffer.Buffer;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A request to a server. It always asks for a stream, so that closing it ends the work there.
///
/// @param path relative to the API's path
/// @param body without `model`
record ApiRequest(String path, Map<String, Object> body, String requestId) {
    private static final String CHAT = "/chat/completions";
    private static final String TEXT = "/completions";
    private static final String EFFORT = "reasoning_effort";
    /// What a client asks of the server's scheduler and cache, not of the model. The worker decides who goes first, and
    /// which requests may share cached prefixes.
    private static final Set<String> KEPT_BACK = Set.of("priority", "cache_salt", "extra_key", "data_parallel_rank");

    private static final ObjectMapper JSON = new ObjectMapper();

    /// The request as a client of OpenAI's API wrote it, except for the fields in [#KEPT_BACK].
    static ApiRequest of(OpenAiRequest request) {
        var body = new LinkedHashMap<String, Object>();
        request.body().forEach((name, value) -> body.put(String.valueOf(name), value));
        body.keySet().removeAll(KEPT_BACK);
        streamed(body);
        return new ApiRequest(
                switch (request.form()) {
                    case CHAT -> CHAT;
                    case TEXT -> TEXT;
                },
                body,
                request.requestId());
    }

    static ApiRequest of(GenerationRequest request) {
        var body = new LinkedHashMap<String, Object>();
        var logprobs = request.sampling().logprobs();
        var path = switch (request.prompt()) {
            case Prompt.Chat(var messages, var variables) -> {
                body.put("messages", messages.stream().map(ApiRequest::message).toList());
                template(variables, body);
                logprobs.ifPresent(number -> {
                    body.put("logprobs", true);
                    body.put("top_logprobs", number);
                });
                yield CHAT;
            }
            case Prompt.Raw(var text) -> {
                body.put("prompt", text);
                logprobs.ifPresent(number -> body.put("logprobs", number));
                yield TEXT;
            }
        };
        if (request.tokenLimit() < Integer.MAX_VALUE) {
            body.put("max_tokens", request.tokenLimit());
        }
        if (!request.stop().isEmpty()) {
            body.put("stop", request.stop());
        }
        // Not part of OpenAI's API. Sent only if the client asks for it, as some servers reject unknown fields.
        if (!request.stopTokens().isEmpty()) {
            body.put("stop_token_ids", request.stopTokens());
        }
        if (request.ignoreEos()) {
            body.put("ignore_eos", true);
        }
        if (request.minTokens() > 0) {
            body.put("min_tokens", request.minTokens());
        }
        format(request.format(), body);
        sampling(request.sampling(), body);
        streamed(body);
        return new ApiRequest(path, body, request.requestId());
    }

    /// In OpenAI's form. What it does not have is refused: a server that does not know the field would answer with any
    /// text.
    private static void format(@Nullable AnswerFormat format, Map<String, Object> body) {
        if (format == null) {
            return;
        }
        if (!(format instanceof AnswerFormat.Json json) || !body.containsKey("messages")) {
            throw new RefusedException(
                    RefusedException.Reason.INVALID,
                    "invalid_request",
                    format.field() + " is not supported here with ENGINE=openai, only a JSON format of a conversation; "
                            + "/v1/chat/completions and /v1/completions pass on what the server behind it supports");
        }
        body.put(
                "response_format",
                json.isAnyObject()
                        ? Map.of("type", "json_object")
                        : Map.of(
                                "type",
                                "json_schema",
                                "json_schema",
                                Map.of("name", "answer", "schema", new RawValue(json.schema()))));
    }

    /// The server's template may print a message whole, so the order counts.
    private static Map<String, Object> message(ChatMessage message) {
        var members = new LinkedHashMap<String, Object>();
        members.put("role", message.role());
        members.put("content", message.content());
        if (!message.reasoning().isEmpty()) {
            members.put("reasoning_content", message.reasoning());
        }
        if (!message.toolCalls().isEmpty()) {
            members.put(
                    "tool_calls",
                    message.toolCalls().stream().map(ApiRequest::call).toList());
        }
        if (!message.toolCallId().isEmpty()) {
            members.put("tool_call_id", message.toolCallId());
            members.put("name", message.name());
        }
        return members;
    }

    private static Map<String, Object> call(ToolCall call) {
        var function = new LinkedHashMap<String, Object>();
        function.put("name", call.name());
        function.put("arguments", call.arguments());
        var members = new LinkedHashMap<String, Object>();
        members.put("id", call.id());
        members.put("type", "function");
        members.put("function", function);
        return members;
    }

    /// What the request says to the chat template. Servers also use the effort in other ways, so it has its own field.
    private static void template(Map<String, @Nullable Object> variables, Map<String, Object> body) {
        var others = new LinkedHashMap<>(variables);
        if (others.remove(EFFORT) instanceof String effort) {
            body.put(EFFORT, effort);
        }
        if (!others.isEmpty()) {
            body.put("chat_template_kwargs", others);
        }
    }

    private static void sampling(SamplingParameters sampling, Map<String, Object> body) {
        body.put("temperature", sampling.temperature());
        if (sampling.isSeeded()) {
            body.put("seed", sampling.seed());
        }
        put("top_p", sampling.topP(), 1, body);
        put("min_p", sampling.minP(), 0, body);
        if (sampling.topK() > 0) {
            body.put("top_k", sampling.topK());
        }
        var adjustment = sampling.adjustment();
        put("presence_penalty", adjustment.presencePenalty(), 0, body);
        put("frequency_penalty", adjustment.frequencyPenalty(), 0, body);
        put("repetition_penalty", adjustment.repetitionPenalty(), 1, body);
        // llama.cpp's server uses this name.
        put("repeat_penalty", adjustment.repetitionPenalty(), 1, body);
        if (!adjustment.bias().isEmpty()) {
            var bias = new LinkedHashMap<String, Object>();
            adjustment.bias().forEach((token, value) -> bias.put(String.valueOf(token), value));
            body.put("logit_bias", bias);
        }
    }

    private static void put(String name, float value, float none, Map<String, Object> body) {
        if (value != none) {
            body.put(name, value);
        }
    }

    private static void streamed(Map<String, Object> body) {
        body.put("stream", true);
        var options = new LinkedHashMap<String, Object>();
        if (body.get("stream_options") instanceof Map<?, ?> sent) {
            sent.forEach((name, value) -> options.put(String.valueOf(name), value));
        }
        options.put("include_usage", true);
        body.put("stream_options", options);
    }

    /// The request as JSON, with the server's own name of the model.
    Buffer json(String model) {
        var named = new LinkedHashMap<>(body);
        named.put("model", model);
        try {
            return Buffer.buffer(JSON.writeValueAsBytes(named));
        } catch (JsonProcessingException e) {
            // The maps only hold values that JSON supports.
            throw new IllegalStateException(e);
        }
    }
}
