package dev.llmworker.serving.camel;

import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import org.apache.camel.Exchange;
import org.apache.camel.http.base.HttpHeaderFilterStrategy;

/// Keeps the client's headers out of the exchange and of the answer. Camel would make a header of each header and each
/// parameter of a request; [DeclaredNames] passes on those that the route declares. Camel answers with the headers of
/// the
/// message. Only those that the route has set or changed leave.
public final class AnswerHeaders extends HttpHeaderFilterStrategy {
    private static final String SENT = "llmworker.sentHeaders";

    @Override
    public boolean applyFilterToExternalHeaders(String name, Object value, Exchange exchange) {
        return true;
    }

    /// The client has sent this header, so it does not go back.
    static void sent(String name, Object value, Exchange exchange) {
        @SuppressWarnings("unchecked")
        var sent = (Set<String>) exchange.getProperty(SENT, Set.class);
        if (sent == null) {
            sent = new HashSet<>();
            exchange.setProperty(SENT, sent);
        }
        sent.add(entry(name, value));
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
