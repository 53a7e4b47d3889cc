package dev.llmworker.serving.camel;

import dev.llmworker.serving.port.ControlNames;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import org.apache.camel.Exchange;
import org.apache.camel.http.base.HttpHeaderFilterStrategy;

/// Keeps the client's headers out of the answer. Camel answers with the headers of the message, which begin as the
/// request's headers and parameters. Only those that the route has set or changed leave.
public final class AnswerHeaders extends HttpHeaderFilterStrategy {
    private static final String SENT = "llmworker.sentHeaders";

    @Override
    public boolean applyFilterToExternalHeaders(String name, Object value, Exchange exchange) {
        // The route sets the answer's type; the request's type must not be taken for it.
        if (super.applyFilterToExternalHeaders(name, value, exchange)
                || ControlNames.isControl(name)
                || name.equalsIgnoreCase("Content-Type")) {
            return true;
        }
        @SuppressWarnings("unchecked")
        var sent = (Set<String>) exchange.getProperty(SENT, Set.class);
        if (sent == null) {
            sent = new HashSet<>();
            exchange.setProperty(SENT, sent);
        }
        sent.add(entry(name, value));
        return false;
    }

    @Override
    public boolean applyFilterToCamelHeaders(String name, Object value, Exchange exchange) {
        var sent = exchange.getProperty(SENT, Set.class);
        return super.applyFilterToCamelHeaders(name, value, exchange)
                || (sent != null && sent.contains(entry(name, value)));
    }

    private static String entry(String name, Object value) {
        return name.toLowerCase(Locale.ROOT) + '\n' + value;
    }
}
