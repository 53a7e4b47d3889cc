package dev.llmworker.serving.camel;

import java.util.Locale;
import org.apache.camel.Endpoint;
import org.apache.camel.Exchange;
import org.apache.camel.component.platform.http.PlatformHttpEndpoint;
import org.apache.camel.spi.HeaderFilterStrategy;
import org.apache.camel.spi.HeaderFilterStrategyAware;
import org.apache.camel.support.LifecycleStrategySupport;
import org.jspecify.annotations.Nullable;

/// Keeps the headers of `llm:generate` out of what endpoints receive, in any case of letters: also out of
/// replies and of messages that a step fetches. Some components compare cases, and Camel's map of headers does
/// not (CVE-2026-40453). Camel finds this class by its type in the registry.
public final class OutsideHeaders extends LifecycleStrategySupport {
    private static final String PREFIX = "camelllm";

    static boolean isControl(String name) {
        return name.strip().toLowerCase(Locale.ROOT).startsWith(PREFIX);
    }

    @Override
    public void onEndpointAdd(Endpoint endpoint) {
        if (endpoint instanceof HeaderFilterStrategyAware aware && !(endpoint instanceof PlatformHttpEndpoint)) {
            var own = aware.getHeaderFilterStrategy();
            if (own != null) {
                aware.setHeaderFilterStrategy(new Guarded(own));
            }
        }
    }

    /// A component's own rules, and this one.
    private record Guarded(HeaderFilterStrategy own) implements HeaderFilterStrategy {
        @Override
        public boolean applyFilterToCamelHeaders(String name, @Nullable Object value, Exchange exchange) {
            return own.applyFilterToCamelHeaders(name, value, exchange);
        }

        @Override
        public boolean applyFilterToExternalHeaders(String name, @Nullable Object value, Exchange exchange) {
            return isControl(name) || own.applyFilterToExternalHeaders(name, value, exchange);
        }
    }
}
