package dev.llmworker.serving.delivery;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.HeldEvent;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.text.chat.AnswerPart;
import dev.llmworker.text.chat.ToolCall;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/// Collects an answer that is sent as a whole.
///
/// Threading: the request's thread.
public final class WholeAnswer implements Choices.Reader {
    /// The text, and its JSON.
    public static final long BYTES_PER_CHARACTER = 4;

    private final Caller caller;
    private final StringBuilder text = new StringBuilder();
    private final StringBuilder reasoning = new StringBuilder();
    private final List<Call> calls = new ArrayList<>(0);
    private final List<GenerationEvent.Token> scored = new ArrayList<>(0);
    private long scoredBytes;
    private long keptOfCalls;

    public WholeAnswer(Caller caller) {
        this.caller = caller;
    }

    /// A call of a tool while its arguments grow.
    private record Call(String id, String name, StringBuilder arguments) {}

    /// Runs a generation to its end.
    ///
    /// @throws RequestException if the engine failed, or the worker stops
    public Ending run(Generations generations, GenerationRequest request) {
        var ending = generations.run(request, caller, this);
        if (ending.finished().reason() == FinishReason.ERROR) {
            throw new RequestException(JsonError.failed(ending.finished()));
        }
        return ending;
    }

    @Override
    public boolean token(GenerationEvent.Token token) {
        if (token.parts().isEmpty()) {
            text.append(token.text());
        } else {
            token.parts().forEach(this::add);
        }
        if (!token.scores().isEmpty()) {
            scored.add(token);
            scoredBytes += token.heldBytes();
        }
        return !caller.client().isGone();
    }

    @Override
    public void finished(Ending ending) {
        ending.finished().parts().forEach(this::add);
    }

    private void add(AnswerPart part) {
        switch (part) {
            case AnswerPart.Content(var more) -> text.append(more);
            case AnswerPart.Reasoning(var more) -> reasoning.append(more);
            case AnswerPart.CallStart(var _, var id, var name) -> {
                calls.add(new Call(id, name, new StringBuilder()));
                keptOfCalls += HeldEvent.OBJECT_BYTES + BYTES_PER_CHARACTER * (id.length() + name.length());
            }
            case AnswerPart.CallArguments(var index, var json) -> {
                calls.get(index).arguments.append(json);
                keptOfCalls += BYTES_PER_CHARACTER * json.length();
            }
        }
    }

    @Override
    public long keptBytes() {
        return BYTES_PER_CHARACTER * (text.length() + reasoning.length()) + keptOfCalls + scoredBytes;
    }

    /// The text for the user; the whole text if the request did not ask for parts.
    public String text() {
        return text.toString();
    }

    /// What the model thought; empty if it did not, or if the request did not ask for parts.
    public String reasoning() {
        return reasoning.toString();
    }

    /// The calls of tools, in their order.
    public List<ToolCall> calls() {
        return calls.stream()
                .map(call -> new ToolCall(call.id, call.name, call.arguments.toString()))
                .toList();
    }

    /// Leaves calls out that are not for the client.
    public void keepCalls(Predicate<String> names) {
        calls.removeIf(call -> !names.test(call.name));
    }

    /// The tokens that have scores.
    public List<GenerationEvent.Token> scored() {
        return scored;
    }
}
