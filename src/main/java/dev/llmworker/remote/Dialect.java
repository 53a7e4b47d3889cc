package dev.llmworker.remote;

import com.fasterxml.jackson.databind.util.RawValue;
import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.generation.RefusedException;
import java.util.Arrays;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// How a server is asked for what OpenAI's API does not have. Servers ignore fields that they do not know. So what a
/// server cannot be asked for is refused: it would answer with any text.
enum Dialect {
    /// Another worker.
    WORKER("llm-worker", "this worker"),
    VLLM("vllm", "vLLM"),
    SGLANG("sglang", "SGLang"),
    LLAMA_CPP("llamacpp", "llama.cpp's server"),
    /// OpenAI's API and nothing else.
    OPENAI("", "");

    private static final Pattern SPECIAL = Pattern.compile("[\\\\.\\[\\]{}()*+?^$|/-]");

    /// What the list of models says in `owned_by`.
    private final String ownedBy;

    private final String server;

    Dialect(String ownedBy, String server) {
        this.ownedBy = ownedBy;
        this.server = server;
    }

    /// @param ownedBy of a server's list of models; empty if it says nothing
    static Dialect of(String ownedBy) {
        return Arrays.stream(values())
                .filter(dialect -> dialect.ownedBy.equals(ownedBy))
                .findFirst()
                .orElse(OPENAI);
    }

    /// Adds a format to a request.
    ///
    /// @param isChat whether the request is a conversation
    /// @throws RefusedException if the server cannot be asked for it
    void ask(RemoteFormat asked, boolean isChat, Map<String, Object> body) {
        var format = asked.format();
        if (isChat && format instanceof AnswerFormat.Json json) {
            // All servers have this.
            body.put("response_format", responseFormat(json));
            return;
        }
        switch (this) {
            case WORKER -> body.put("structured_outputs", structured(format));
            case VLLM -> {
                body.put("structured_outputs", structured(format));
                // The name in versions before 0.11. Newer ones ignore it beside the other one.
                structured(format).forEach((kind, value) -> body.put("guided_" + kind, value));
            }
            case SGLANG -> {
                switch (format) {
                    case AnswerFormat.Json(var _, var schema) -> body.put("json_schema", schema);
                    case AnswerFormat.Pattern(var _, var regex) -> body.put("regex", regex);
                    case AnswerFormat.Choice choice -> body.put("regex", alternatives(choice));
                }
            }
            case LLAMA_CPP -> {
                switch (format) {
                    case AnswerFormat.Json(var _, var schema) -> body.put("json_schema", new RawValue(schema));
                    case AnswerFormat.Pattern _, AnswerFormat.Choice _ -> body.put("grammar", asked.grammar());
                }
            }
            case OPENAI ->
                throw refused(
                        format.field(),
                        "a JSON format of a conversation can be asked for everywhere, others of " + known());
        }
    }

    /// Adds the most tokens of reasoning to a request.
    ///
    /// @param isRequired whether a server that cannot be asked for it must not answer
    /// @throws RefusedException if the server cannot be asked for it
    void ask(int maxReasoningTokens, boolean isRequired, Map<String, Object> body) {
        if (this == WORKER) {
            body.put("max_reasoning_tokens", maxReasoningTokens);
        } else if (isRequired) {
            throw refused("max_reasoning_tokens", "only " + WORKER.server + " can be asked for it");
        }
    }

    /// Whether the server's requests may have variables for its chat template that the client did not write. OpenAI
    /// refuses fields that it does not know.
    boolean hasTemplate() {
        return this != OPENAI;
    }

    private static String known() {
        return Arrays.stream(values())
                .filter(dialect -> dialect != OPENAI)
                .map(dialect -> dialect.server)
                .collect(Collectors.joining(", "));
    }

    private static RefusedException refused(String field, String why) {
        return new RefusedException(
                RefusedException.Reason.INVALID,
                "invalid_request",
                field + " is not supported by the engine's server, as far as the worker knows it: " + why);
    }

    private static Map<String, Object> responseFormat(AnswerFormat.Json json) {
        return json.isAnyObject()
                ? Map.of("type", "json_object")
                : Map.of(
                        "type",
                        "json_schema",
                        "json_schema",
                        // OpenAI enforces a schema only if it is strict.
                        Map.of("name", "answer", "strict", true, "schema", new RawValue(json.schema())));
    }

    private static Map<String, Object> structured(AnswerFormat format) {
        return switch (format) {
            case AnswerFormat.Json(var _, var schema) -> Map.of("json", new RawValue(schema));
            case AnswerFormat.Pattern(var _, var regex) -> Map.of("regex", regex);
            case AnswerFormat.Choice(var _, var options) -> Map.of("choice", options);
        };
    }

    private static String alternatives(AnswerFormat.Choice choice) {
        return choice.options().stream()
                .map(option -> SPECIAL.matcher(option).replaceAll("\\\\$0"))
                .collect(Collectors.joining("|", "(", ")"));
    }
}
