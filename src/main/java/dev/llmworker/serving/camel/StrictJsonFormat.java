package dev.llmworker.serving.camel;

import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.StrictJson;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.spi.DataFormat;
import org.apache.camel.support.service.ServiceSupport;
import org.jspecify.annotations.Nullable;

/// The data format `strictJson`. `unmarshal` parses a JSON object into a `Map` and rejects everything else as the
/// client's mistake. `marshal` writes JSON and sets the answer's content type.
public final class StrictJsonFormat extends ServiceSupport implements DataFormat {
    @Override
    public void marshal(Exchange exchange, Object body, OutputStream out) throws Exception {
        out.write(Json.bytes(body));
        exchange.getMessage().setHeader(Exchange.CONTENT_TYPE, JsonError.CONTENT_TYPE);
    }

    @Override
    public Object unmarshal(Exchange exchange, InputStream stream) throws Exception {
        return StrictJson.object(stream.readAllBytes(), "the body");
    }

    @Override
    public Object unmarshal(Exchange exchange, @Nullable Object body) {
        if (body instanceof Map<?, ?> object) {
            return object;
        }
        var bytes = body == null
                ? new byte[0]
                : exchange.getContext().getTypeConverter().tryConvertTo(byte[].class, exchange, body);
        return StrictJson.object(bytes == null ? new byte[0] : bytes, "the body");
    }
}
