package dev.llmworker.serving.delivery;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.memory.HeldEvent;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.text.answer.AnswerPart;
import dev.llmworker.text.tools.ToolCall;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/// Collects an answer that is sent as a whole.
///
/// Threading: the request's thread.
public final class WholeAnswer implements Choices.Reader {
    /// The text, and its JSON.
    public static final long BYTES_PER_CHARACTER = 4;

    private final Caller caller;
    private final List<Piece> pieces = new ArrayList<>(1);
    private final List<GenerationEvent.Token> scored = new ArrayList<>(0);
    private long scoredBytes;
    private long pieceBytes;

    public WholeAnswer(Caller caller) {
        this.caller = caller;
    }

    /// A part of the answer while it grows.
    ///
    /// @param first its kind; of a call, its name
    /// @param text of a call, its arguments
    private record Piece(AnswerPart first, StringBuilder text) {
        boolean isCall(int index) {
            return first instanceof AnswerPart.CallStart start && start.index() == index;
        }
    }

    /// Runs a generation to its end.
    ///
    /// @throws RequestException if the engine failed, or the worker stops
    public Ending run(Generations generations, GenerationRequest request) {
        var ending = generations.run(request, caller, this);
        if (ending.finished().reason() == FinishReason.ERROR) {
            throw new RequestException(JsonError.failed(ending.finished()));
        }
        finished(ending);
        return ending;
    }

    @Override
    public boolean token(GenerationEvent.Token token) {
        if (token.parts().isEmpty()) {
            add(new AnswerPart.Content(token.text()));
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
        pieceBytes += BYTES_PER_CHARACTER * part.characters();
        switch (part) {
            case AnswerPart.Content(var more) -> grow(part, more);
            case AnswerPart.Reasoning(var more) -> grow(part, more);
            case AnswerPart.CallStart _ -> begin(part);
            case AnswerPart.CallArguments(var index, var json) ->
                pieces.reversed().stream()
                        .filter(piece -> piece.isCall(index))
                        .findFirst()
                        .orElseThrow()
                        .text
                        .append(json);
        }
    }

    private void grow(AnswerPart part, String more) {
        if (more.isEmpty()) {
            return;
        }
        if (pieces.isEmpty() || pieces.getLast().first.getClass() != part.getClass()) {
            begin(part);
        }
        pieces.getLast().text.append(more);
    }

    private void begin(AnswerPart part) {
        pieces.add(new Piece(part, new StringBuilder()));
        pieceBytes += HeldEvent.OBJECT_BYTES;
    }

    @Override
    public long keptBytes() {
        return pieceBytes + scoredBytes;
    }

    /// The text for the user; the whole text if the request did not ask for parts.
    public String text() {
        return joined(AnswerPart.Content.class);
    }

    /// What the model thought; empty if it did not, or if the request did not ask for parts.
    public String reasoning() {
        return joined(AnswerPart.Reasoning.class);
    }

    private String joined(Class<? extends AnswerPart> kind) {
        return pieces.stream()
                .filter(piece -> kind.isInstance(piece.first))
                .map(Piece::text)
                .collect(Collectors.joining());
    }

    /// The calls of tools, in their order.
    public List<ToolCall> calls() {
        var calls = new ArrayList<ToolCall>(0);
        for (var piece : pieces) {
            if (piece.first instanceof AnswerPart.CallStart(var _, var id, var name)) {
                calls.add(new ToolCall(id, name, piece.text.toString()));
            }
        }
        return calls;
    }

    /// All of the answer, as a stream of it would have it: each text is whole, and so are the arguments of each call.
    public List<AnswerPart> parts() {
        var parts = new ArrayList<AnswerPart>(pieces.size());
        for (var piece : pieces) {
            var text = piece.text.toString();
            switch (piece.first) {
                case AnswerPart.Content _ -> parts.add(new AnswerPart.Content(text));
                case AnswerPart.Reasoning _ -> parts.add(new AnswerPart.Reasoning(text));
                case AnswerPart.CallStart start -> {
                    parts.add(start);
                    parts.add(new AnswerPart.CallArguments(start.index(), text));
                }
                case AnswerPart.CallArguments _ -> throw new IllegalStateException("arguments without a call");
            }
        }
        return parts;
    }

    /// Leaves calls out that are not for the client.
    public void keepCalls(Predicate<String> names) {
        pieces.removeIf(piece -> piece.first instanceof AnswerPart.CallStart start && !names.test(start.name()));
    }

    /// The tokens that have scores.
    public List<GenerationEvent.Token> scored() {
        return scored;
    }
}
