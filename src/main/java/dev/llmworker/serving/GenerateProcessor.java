package dev.llmworker.serving;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import io.vertx.core.http.HttpServerResponse;
import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
import org.jspecify.annotations.Nullable;

/// The bean `generate`: from a prompt to the whole text. The body is a `Map` with the fields of a request, or a
/// `String` that is the prompt; it becomes a `Map` with `generated_text`. An HTTP client that leaves ends its
/// generation.
final class GenerateProcessor implements Processor {
    static final String TEXT = "generated_text";

    private final Generations generations;

    GenerateProcessor(Generations generations) {
        this.generations = generations;
    }

    @Override
    public void process(Exchange exchange) {
        var request = request(exchange.getMessage().getBody());
        var text = new Text(ClientResponse.of(exchange));
        var finished = generations.run(request, text);
        if (finished.reason() == FinishReason.ERROR) {
            throw new RequestException(JsonError.internal());
        }
        exchange.getMessage().setBody(Map.of(TEXT, text.toString()));
    }

    private static GenerationRequest request(@Nullable Object body) {
        return WireFormat.request(
                switch (body) {
                    case Map<?, ?> fields -> fields;
                    case String prompt -> Map.of("prompt", prompt);
                    case null -> throw RequestException.invalid("the body is empty; it must be a JSON object");
                    default ->
                        throw new IllegalStateException("the bean generate takes a Map or a String, not "
                                + body.getClass().getName() + "; unmarshal the body first");
                });
    }

    /// Collects the text of one answer.
    private static final class Text implements Generations.Reader {
        private final StringBuilder text = new StringBuilder();
        private final @Nullable HttpServerResponse response;

        /// @param response of the client that waits; null where the text is for the route alone
        Text(@Nullable HttpServerResponse response) {
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
            text.append(token.text());
            return response == null || !response.closed();
        }

        @Override
        public String toString() {
            return text.toString();
        }
    }
}
