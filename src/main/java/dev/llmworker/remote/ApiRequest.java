package dev.llmworker.remote;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.util.RawValue;
import dev.llmworker.generation.AnswerParts;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.OpenAiRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.tools.Tool;
import dev.llmworker.text.tools.ToolCall;
import dev.llmworker.text.tools.ToolChoice;
import dev.llmworker.text.tools.ToolUse;
import io.vertx.core.buffer.Buffer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A request to a server. It always asks for a stream, so that closing it ends the work there.
///
/// @param path relative to the API's path
/// @param body without `model`, and without what [Dialect] says
/// @param format what the answer must look like; null if it may be any text, or if the body says so
/// @param parts has the limit of reasoning; null if there is none, or if the body has it
record ApiRequest(
        String path,
        Map<String, Object> body,
        String requestId,
        @Nullable RemoteFormat format,
        @Nullable AnswerParts parts) {
    private static final String CHAT = "/chat/completions";
    private static final String TEXT = "/completions";
    private static final String VARIABLES = "chat_template_kwargs";
    private static final String EFFORT = "reasoning_effort";
    private static final String FUNCTION = "function";
    /// What a client asks of the server's scheduler and cache, not of the model. The worker decides who goes first, and
    /// which requests may share cached prefixes.
    private static final Set<String> KEPT_BACK = Set.of("priority", "cache_salt", "extra_key", "data_parallel_rank");

    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

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
                request.requestId(),
                null,
                null);
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
        var parts = request.parts();
        if (parts != null) {
            tools(parts.tools(), body);
        }
        sampling(request.sampling(), body);
        streamed(body);
        return new ApiRequest(
                path,
                body,
                request.requestId(),
                request.format() == null ? null : new RemoteFormat(request.format()),
                parts);
    }

    private static void tools(ToolUse use, Map<String, Object> body) {
        if (use.offered().isEmpty()) {
            return;
        }
        body.put("tools", use.offered().stream().map(ApiRequest::tool).toList());
        body.put(
                "tool_choice",
                switch (use.choice()) {
                    case ToolChoice.Auto() -> "auto";
                    case ToolChoice.None() -> "none";
                    case ToolChoice.Required() -> "required";
                    case ToolChoice.Named(var name) -> Map.of("type", FUNCTION, FUNCTION, Map.of("name", name));
                });
        if (!use.parallel()) {
            body.put("parallel_tool_calls", false);
        }
    }

    private static Map<String, Object> tool(Tool tool) {
        var function = new LinkedHashMap<String, Object>();
        function.put("name", tool.name());
        if (!tool.description().isEmpty()) {
            function.put("description", tool.description());
        }
        function.put("parameters", new RawValue(tool.parameters()));
        if (tool.strict()) {
            function.put("strict", true);
        }
        return typed(function);
    }

    private static Map<String, Object> typed(Map<String, Object> function) {
        var members = new LinkedHashMap<String, Object>();
        members.put("type", FUNCTION);
        members.put(FUNCTION, function);
        return members;
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
            if (!message.name().isEmpty()) {
                members.put("name", message.name());
            }
        }
        return members;
    }

    private static Map<String, Object> call(ToolCall call) {
        var function = new LinkedHashMap<String, Object>();
        function.put("name", call.name());
        function.put("arguments", isObject(call.arguments()) ? call.arguments() : "{}");
        var members = new LinkedHashMap<String, Object>();
        members.put("id", call.id());
        members.putAll(typed(function));
        return members;
    }

    /// Servers read the arguments in a history, and fail if they are not an object. The result of such a call says what
    /// was wrong.
    private static boolean isObject(String json) {
        try {
            return JSON.readTree(json) instanceof ObjectNode;
        } catch (JsonProcessingException _) {
            return false;
        }
    }

    /// What the request says to the chat template. Servers also use the effort in other ways, so it has its own field.
    private static void template(Map<String, @Nullable Object> variables, Map<String, Object> body) {
        var others = new LinkedHashMap<>(variables);
        if (others.remove(EFFORT) instanceof String effort) {
            body.put(EFFORT, effort);
        }
        if (!others.isEmpty()) {
            body.put(VARIABLES, others);
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

    private static void leaveOut(Set<String> names, Map<String, Object> body) {
        if (body.get(VARIABLES) instanceof Map<?, ?> variables) {
            var written = new LinkedHashMap<>(variables);
            written.keySet().removeAll(names);
            body.put(VARIABLES, written);
            body.values().removeIf(value -> value == written && written.isEmpty());
        }
    }

    /// Does what takes long before a request goes to a server, on the thread of the caller.
    ///
    /// @param servers that may get it
    void prepare(List<RemoteServer> servers) {
        if (format != null && servers.stream().anyMatch(server -> server.dialect() == Dialect.LLAMA_CPP)) {
            format.prepare();
        }
    }

    /// About how many bytes it holds until the answer has ended, beside those of the client's request.
    long heldBytes() {
        return format == null ? 0 : format.heldBytes();
    }

    /// The request as JSON, in the server's own words.
    ///
    /// @param model the server's name of it
    /// @throws RefusedException if the server cannot be asked for all of it
    Buffer json(String model, Dialect dialect) {
        var named = new LinkedHashMap<>(body);
        named.put("model", model);
        if (format != null) {
            dialect.ask(format, path.equals(CHAT), named);
        }
        if (parts != null) {
            var isRequired = !parts.isBudgetSoft();
            parts.maxReasoningTokens().ifPresent(most -> dialect.ask(most, isRequired, named));
            if (!dialect.hasTemplate()) {
                leaveOut(parts.impliedVariables(), named);
            }
        }
        try {
            return Buffer.buffer(JSON.writeValueAsBytes(named));
        } catch (JsonProcessingException e) {
            // The maps only hold values that JSON supports.
            throw new IllegalStateException(e);
        }
    }
}
