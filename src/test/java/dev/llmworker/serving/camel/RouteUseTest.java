package dev.llmworker.serving.camel;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.apache.camel.CamelContext;
import org.apache.camel.builder.RouteBuilder;
import org.apache.camel.impl.DefaultCamelContext;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A version of a route that was replaced is there until its last exchange.
class RouteUseTest {
    private static void addRoute(CamelContext context) throws Exception {
        context.addRoutes(new RouteBuilder() {
            @Override
            public void configure() {
                from("direct:x").routeId("x").log("x");
            }
        });
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void whatRunsIsAwaitedInEachRoute(boolean hasPolicy) throws Exception {
        try (var context = new DefaultCamelContext()) {
            if (hasPolicy) {
                context.addRoutePolicyFactory(new RouteUse.Counters());
            }
            addRoute(context);
            context.start();
            var route = context.getRoute("x");
            assertTrue(RouteUse.of(route).begin());
            var unused = RouteUse.of(route).replaced();
            assertFalse(unused.isDone(), "it is gone while something runs");
            assertFalse(RouteUse.of(route).begin(), "it takes something new");
            RouteUse.of(route).done();
            assertTrue(unused.isDone());
        }
    }
}
