package dev.llmworker.serving.delivery;

import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.serving.wire.Details;
import io.vertx.core.http.HttpServerResponse;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Collects an answer that is sent as a whole. A client that leaves meanwhile ends its generation.
///
/// Threading: the request's thread.
public final class WholeAnswer implements Generations.Reader {
    private final @Nullable HttpServerResponse response;
    private final StringBuilder text = new StringBuilder();
    private final List<GenerationEvent.Token> scored = new ArrayList<>(0);
    private final long beganNanos = System.nanoTime();
    private long firstTokenNanos = -1;

    /// @param response of the client that waits; null where the answer is for the route alone
    public WholeAnswer(@Nullable HttpServerResponse response) {
        this.response = response;
    }

    @Override
    public void began(Generation generation) {
        if (response != null) {
            response.closeHandler(_ -> generation.close());
            if (response.closed()) {
                generation.close();
            }
        }
    }

    @Override
    public boolean token(GenerationEvent.Token token) {
        if (firstTokenNanos < 0) {
            firstTokenNanos = System.nanoTime() - beganNanos;
        }
        text.append(token.text());
        if (!token.scores().isEmpty()) {
            scored.add(token);
        }
        return response == null || !response.closed();
    }

    public String text() {
        return text.toString();
    }

    /// The tokens that have scores.
    public List<GenerationEvent.Token> scored() {
        return scored;
    }

    public Details details(GenerationEvent.Finished finished) {
        return new Details(finished, firstTokenNanos, System.nanoTime() - beganNanos);
    }
}
