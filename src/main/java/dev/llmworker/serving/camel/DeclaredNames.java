package dev.llmworker.serving.camel;

import dev.llmworker.serving.wire.ControlNames;
import dev.llmworker.serving.wire.RequestId;
import dev.llmworker.serving.wire.UsesRegex;
import io.netty.handler.codec.http.QueryStringEncoder;
import io.vertx.core.MultiMap;
import io.vertx.ext.web.RoutingContext;
import java.util.ArrayList;
import java.util.List;
import org.apache.camel.Exchange;
import org.apache.camel.Message;
import org.apache.camel.Route;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What a route gets of a request beside its body and the parameters of its own path: `Accept`, the request's id, and
/// the headers and query parameters that it declares by words in its `group`, such as `header:X-Tenant query:lang`.
/// Camel's components take orders from headers of many names, so nothing else of a request becomes a header.
///
/// Threading: any thread.
///
/// @param headers in any case
/// @param parameters exactly as written
@UsesRegex("the group of a route")
record DeclaredNames(List<String> headers, List<String> parameters) {
    static final DeclaredNames NONE = new DeclaredNames(List.of("Accept"), List.of());

    private static final Logger LOG = LoggerFactory.getLogger(DeclaredNames.class);
    private static final String HEADER = "header:";
    private static final String PARAMETER = "query:";

    static DeclaredNames of(Route route) {
        var group = route.getGroup();
        if (group == null) {
            return NONE;
        }
        var headers = new ArrayList<>(NONE.headers);
        var parameters = new ArrayList<String>();
        for (var word : group.split("[\\s,]+")) {
            var name = word.substring(word.indexOf(':') + 1);
            if (!word.startsWith(HEADER) && !word.startsWith(PARAMETER)) {
                continue;
            }
            if (name.isEmpty() || ControlNames.isControl(name)) {
                LOG.warn("route {}: its group has {}, which no client may set; ignored", route.getRouteId(), word);
            } else {
                (word.startsWith(HEADER) ? headers : parameters).add(name);
            }
        }
        return new DeclaredNames(List.copyOf(headers), List.copyOf(parameters));
    }

    /// Sets the headers of a message whose route declares these names. What Camel derives from the target is set from
    /// the path alone: a target can name any host, and steps would go there.
    void fill(Message message, RoutingContext request, Exchange exchange) {
        var path = request.normalizedPath();
        message.setHeader(Exchange.HTTP_URI, path);
        message.setHeader(Exchange.HTTP_URL, path);
        // Parsing a query costs more than the rest of this, and most routes declare no parameter.
        var query = parameters.isEmpty() ? "" : query(request.queryParams());
        set(message, Exchange.HTTP_QUERY, query);
        set(message, Exchange.HTTP_RAW_QUERY, query);
        for (var name : headers) {
            pass(name, request.request().headers(), message, exchange);
        }
        for (var name : parameters) {
            pass(name, request.queryParams(), message, exchange);
        }
        var id = RequestId.of(request.response());
        message.setHeader(RequestId.HEADER, id);
        AnswerHeaders.sent(RequestId.HEADER, id, exchange);
    }

    private static void set(Message message, String name, String value) {
        if (value.isEmpty()) {
            message.removeHeader(name);
        } else {
            message.setHeader(name, value);
        }
    }

    private static void pass(String name, MultiMap from, Message message, Exchange exchange) {
        var values = from.getAll(name);
        if (!values.isEmpty()) {
            Object value = values.size() == 1 ? values.getFirst() : values;
            message.setHeader(name, value);
            AnswerHeaders.sent(name, value, exchange);
        }
    }

    /// The declared parameters of a query, encoded again.
    private String query(MultiMap sent) {
        var query = new QueryStringEncoder("");
        for (var name : parameters) {
            sent.getAll(name).forEach(value -> query.addParam(name, value));
        }
        var text = query.toString();
        return text.startsWith("?") ? text.substring(1) : text;
    }
}
