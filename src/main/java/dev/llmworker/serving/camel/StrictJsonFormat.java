package dev.llmworker.serving.camel;

import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.ParsedBody;
import dev.llmworker.serving.wire.StrictJson;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Map;
import java.util.function.Predicate;
import org.apache.camel.Exchange;
import org.apache.camel.spi.DataFormat;
import org.apache.camel.support.service.ServiceSupport;
import org.jspecify.annotations.Nullable;

/// The data formats `strictJson` and `requestJson`. `unmarshal` parses a JSON object into a `Map` and rejects
/// everything else as the client's mistake. `marshal` writes JSON and sets the answer's content type.
public final class StrictJsonFormat extends ServiceSupport implements DataFormat {
    private final MemoryBudget budget;
    private final Predicate<String> isRead;

    /// @param budget has room for the `Map`, or the request is rejected
    /// @param isRead whether somebody reads a list or an object in this field; if not, it is not built
    public StrictJsonFormat(MemoryBudget budget, Predicate<String> isRead) {
        this.budget = budget;
        this.isRead = isRead;
    }

    @Override
    public void marshal(Exchange exchange, Object body, OutputStream out) throws Exception {
        out.write(Json.bytes(body));
        exchange.getMessage().setHeader(Exchange.CONTENT_TYPE, JsonError.CONTENT_TYPE);
    }

    @Override
    public Object unmarshal(Exchange exchange, InputStream stream) throws Exception {
        return object(exchange, stream.readAllBytes());
    }

    @Override
    public Object unmarshal(Exchange exchange, @Nullable Object body) {
        return parsed(exchange, body);
    }

    /// The body of an exchange as a JSON object.
    public Map<?, ?> parsedBody(Exchange exchange) {
        return parsed(exchange, exchange.getMessage().getBody());
    }

    private Map<?, ?> parsed(Exchange exchange, @Nullable Object body) {
        if (body instanceof Map<?, ?> object) {
            return object;
        }
        var bytes = body == null
                ? new byte[0]
                : exchange.getContext().getTypeConverter().tryConvertTo(byte[].class, exchange, body);
        return object(exchange, bytes == null ? new byte[0] : bytes);
    }

    private Map<?, ?> object(Exchange exchange, byte[] utf8) {
        var memory = budget.lease();
        // Whatever happens, the exchange gives the memory back.
        ParsedBody.holds(exchange, memory);
        return StrictJson.object(utf8, "the body", memory, isRead);
    }
}
