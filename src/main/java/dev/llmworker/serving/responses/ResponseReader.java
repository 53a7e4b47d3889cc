package dev.llmworker.serving.responses;

import dev.llmworker.generation.Answer;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.wire.StreamEvent;
import org.jspecify.annotations.Nullable;

/// Reads the tokens of one response.
final class ResponseReader implements Generations.Reader {
    private final ResponseStore store;
    private final Client client;
    private final ResponseWriter writer;
    private final Output output;
    private @Nullable Answer<?> answer;

    /// Where events go.
    interface Output {
        /// @return false if nobody reads any more
        boolean send(Iterable<StreamEvent> events);
    }

    ResponseReader(ResponseStore store, Client client, ResponseWriter writer, Output output) {
        this.store = store;
        this.client = client;
        this.writer = writer;
        this.output = output;
    }

    @Override
    public void began(Answer<?> begun) {
        answer = begun;
        store.begin(
                writer.id(),
                new ResponseStore.Running(client.cacheSalt(), begun::close, writer::json, writer.shownBytes()));
    }

    @Override
    public void accepted() {
        var _ = output.send(writer.accepted(answer == null ? 0 : answer.promptTokens()));
    }

    @Override
    public boolean token(GenerationEvent.Token token) {
        return output.send(writer.token(token)) && !writer.isCut();
    }
}
