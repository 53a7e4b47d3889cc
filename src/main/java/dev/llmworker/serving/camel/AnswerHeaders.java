package dev.llmworker.serving.camel;

import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.camel.Exchange;
import org.apache.camel.http.base.HttpHeaderFilterStrategy;

/// Keeps the client's headers out of the exchange and of the answer. Camel would make a header of each header
/// and each parameter of a request; [DeclaredNames] passes on those that the route declares. Camel answers with
/// the headers of the message. Only those that the route has set or changed leave.
public final class AnswerHeaders extends HttpHeaderFilterStrategy {
    private static final String SENT = "llmworker.sentHeaders";

    @Override
    public boolean applyFilterToExternalHeaders(String name, Object value, Exchange exchange) {
        return true;
    }

    /// The client has sent this header, so it does not go back.
    static void sent(String name, Object value, Exchange exchange) {
        @SuppressWarnings("unchecked")
        var sent = (Map<String, Set<Object>>) exchange.getProperty(SENT, Map.class);
        if (sent == null) {
            sent = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
            exchange.setProperty(SENT, sent);
        }
        sent.computeIfAbsent(name, _ -> Collections.newSetFromMap(new IdentityHashMap<>()))
                .add(value);
    }

    /// The values are told apart by their identity, not by their text: a client must not be able to remove a header of
    /// the route by sending the same one.
    @Override
    public boolean applyFilterToCamelHeaders(String name, Object value, Exchange exchange) {
        return super.applyFilterToCamelHeaders(name, value, exchange)
                || exchange.getProperty(SENT, Map.class) instanceof Map<?, ?> sent
                        && sent.get(name) instanceof Set<?> values
                        && values.contains(value);
    }
}
