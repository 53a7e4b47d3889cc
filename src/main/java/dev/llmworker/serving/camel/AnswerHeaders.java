package dev.llmworker.serving.camel;

import org.apache.camel.Exchange;
import org.apache.camel.http.base.HttpHeaderFilterStrategy;
import org.jspecify.annotations.Nullable;

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
        exchange.setProperty(SENT, new Sent(name, value, exchange.getProperty(SENT, Sent.class)));
    }

    /// The values are told apart by their identity, not by their text: a client must not be able to remove a header of
    /// the route by sending the same one.
    @Override
    public boolean applyFilterToCamelHeaders(String name, Object value, Exchange exchange) {
        return super.applyFilterToCamelHeaders(name, value, exchange)
                || exchange.getProperty(SENT) instanceof Sent sent && sent.has(name, value);
    }

    /// A header of the client, and those before it. They are few: a route declares each.
    private record Sent(String name, Object value, @Nullable Sent before) {
        boolean has(String other, Object theirs) {
            for (var sent = this; sent != null; sent = sent.before) {
                if (sent.value == theirs && sent.name.equalsIgnoreCase(other)) {
                    return true;
                }
            }
            return false;
        }
    }
}
