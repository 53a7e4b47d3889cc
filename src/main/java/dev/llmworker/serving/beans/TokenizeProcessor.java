package dev.llmworker.serving.beans;

import dev.llmworker.generation.Generator;
import dev.llmworker.generation.ModelTokens;
import dev.llmworker.generation.Prompt;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.delivery.PromptTokens;
import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.serving.request.ChatMessages;
import dev.llmworker.serving.request.ServedModel;
import dev.llmworker.serving.request.ToolFields;
import dev.llmworker.serving.request.UnsupportedFields;
import dev.llmworker.serving.request.WireFormat;
import dev.llmworker.serving.tools.RouteTools;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.ParsedBody;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.text.tools.Tool;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;

/// The beans `tokenize` and `detokenize`: from a text or a conversation to its tokens, and back, with the fields that
/// vLLM has. The body is a `Map`, before and after.
final class TokenizeProcessor implements Processor {
    private static final String PROMPT = "prompt";
    private static final String TOKENS = "tokens";
    private static final String SPECIAL = "add_special_tokens";
    /// What a token takes as a number and in JSON, and what its text takes as well.
    private static final long TOKEN_BYTES = 24;

    private static final long STRING_BYTES = 160;
    /// A text takes this much for each of its bytes: as bytes, as a string, and as JSON while that grows.
    private static final long BYTES_PER_TEXT_BYTE = 6;

    private static final int MAX_TOKENS = 1 << 20;

    private static final Set<String> OF_PROMPT = Set.of(SPECIAL);
    private static final Set<String> OF_CONVERSATION = Set.of("tools", "tool_choice");

    private final PromptTokens tokens;
    private final ServedModel model;
    private final RouteTools routes;
    private final MemoryBudget budget;
    private final Direction direction;

    enum Direction {
        TOKENIZE,
        DETOKENIZE
    }

    /// What the client wants the tokens of.
    private record Asked(Prompt prompt, ModelTokens.Beginning beginning, List<Tool> tools) {}

    TokenizeProcessor(
            Direction direction, PromptTokens tokens, Generator generator, RouteTools routes, MemoryBudget budget) {
        this.direction = direction;
        this.tokens = tokens;
        this.model = new ServedModel(generator);
        this.routes = routes;
        this.budget = budget;
    }

    @Override
    public void process(Exchange exchange) {
        var body = ParsedBody.of(exchange);
        var fields = new RequestFields(body);
        var _ = model.id(body);
        exchange.getMessage()
                .setBody(
                        switch (direction) {
                            case TOKENIZE -> tokenized(fields, exchange);
                            case DETOKENIZE -> detokenized(fields, exchange);
                        });
    }

    private Map<String, ?> tokenized(RequestFields fields, Exchange exchange) {
        var asked = asked(fields);
        var wantsStrings = fields.flag("return_token_strs", false);
        var known = tokens.model("tokenize");
        var ids = tokens.encode(known, asked.prompt, asked.beginning, asked.tools, Client.of(exchange));
        ParsedBody.drop(exchange);
        hold(ids.length * (wantsStrings ? TOKEN_BYTES + STRING_BYTES : TOKEN_BYTES), exchange);
        var answer = new LinkedHashMap<String, Object>();
        answer.put("count", ids.length);
        answer.put("max_model_len", known.contextLength());
        answer.put(TOKENS, ids);
        if (wantsStrings) {
            answer.put(
                    "token_strs",
                    Arrays.stream(ids).mapToObj(id -> known.decode(List.of(id))).toList());
        }
        return answer;
    }

    private Asked asked(RequestFields fields) {
        if (fields.has("messages")) {
            if (fields.has(PROMPT)) {
                throw RequestException.invalid("messages", "messages and prompt are both there; send one of them");
            }
            UnsupportedFields.refuse(fields, false, OF_CONVERSATION);
            return new Asked(
                    WireFormat.chat(ChatMessages.read(fields), fields),
                    ModelTokens.Beginning.PROMPT,
                    ToolFields.read(fields, routes).use().offered());
        }
        UnsupportedFields.refuse(fields, true, OF_PROMPT);
        if (!fields.has(PROMPT)) {
            throw RequestException.invalid(PROMPT, "prompt is missing; it must be a string");
        }
        return new Asked(
                new Prompt.Raw(Objects.requireNonNull(fields.textOrNull(PROMPT))),
                fields.flag(SPECIAL, true) ? ModelTokens.Beginning.PROMPT : ModelTokens.Beginning.TEXT,
                List.of());
    }

    /// The memory stays taken until the answer is sent.
    private void hold(long bytes, Exchange exchange) {
        var memory = budget.lease();
        ParsedBody.closeAfter(exchange, memory::close);
        if (!memory.take(bytes)) {
            throw new RequestException(JsonError.overBudget(memory, bytes));
        }
    }

    private Map<String, ?> detokenized(RequestFields fields, Exchange exchange) {
        if (!(fields.fields().get(TOKENS) instanceof List)) {
            throw RequestFields.wrong(TOKENS, fields.fields().get(TOKENS), "a list of token ids");
        }
        var known = tokens.model("detokenize");
        var ids = fields.wholes(TOKENS, MAX_TOKENS);
        // A token may have a hundred times as many bytes as its number in the body.
        hold(BYTES_PER_TEXT_BYTE * known.textBytes(ids), exchange);
        return Map.of(PROMPT, known.decode(ids));
    }
}
