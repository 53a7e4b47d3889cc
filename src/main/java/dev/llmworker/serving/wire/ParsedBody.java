package dev.llmworker.serving.wire;

import dev.llmworker.serving.memory.MemoryBudget;
import java.util.Map;
import java.util.Set;
import org.apache.camel.Exchange;
import org.apache.camel.support.SynchronizationAdapter;

/// The parsed body of an exchange, and the memory that it takes: until the exchange is done, or until the step
/// that made a request of it drops it.
public final class ParsedBody {
    private static final String MEMORY = "llmworker.parsedBody";

    /// The fields of requests whose lists and objects somebody reads, in all dialects. A field that is missing here
    /// looks as if it had another value, so tests of its reader fail.
    private static final Set<String> STRUCTURED = Set.of(
            "prompt",
            "messages",
            "system",
            "input",
            "stop",
            "stop_sequences",
            "stop_token_ids",
            "logit_bias",
            "stream_options",
            "response_format",
            "structured_outputs",
            "guided_json",
            "guided_choice",
            "text",
            "modalities",
            "tools",
            "tool_choice",
            "functions",
            "function_call",
            "reasoning",
            "thinking",
            "output_config",
            "output_format",
            "context_management",
            "include",
            "metadata",
            "truncation",
            "chat_template_kwargs",
            "params",
            "documents",
            "query",
            "tokens");

    private ParsedBody() {}

    /// The fields of a request.
    public static Map<?, ?> of(Exchange exchange) {
        if (exchange.getMessage().getBody() instanceof Map<?, ?> body) {
            return body;
        }
        throw new IllegalStateException("the bean needs a body that strictJson has unmarshalled");
    }

    /// Whether the worker's own endpoints read a list or an object in this field.
    public static boolean isRead(String field) {
        return STRUCTURED.contains(field);
    }

    /// The memory stays taken until the body is dropped or the exchange is done.
    public static void holds(Exchange exchange, MemoryBudget.Lease memory) {
        exchange.setProperty(MEMORY, memory);
        closeAfter(exchange, memory::close);
    }

    /// The memory stays taken until the exchange is done.
    ///
    /// @param close gives it back
    public static void closeAfter(Exchange exchange, Runnable close) {
        exchange.getExchangeExtension().addOnCompletion(new SynchronizationAdapter() {
            @Override
            public void onDone(Exchange done) {
                close.run();
            }
        });
    }

    /// A request has been made of the body, and nobody reads it again. The exchange must not hold it while the
    /// generation runs.
    public static void drop(Exchange exchange) {
        exchange.getMessage().setBody(null);
        if (exchange.removeProperty(MEMORY) instanceof MemoryBudget.Lease memory) {
            memory.close();
        }
    }
}
