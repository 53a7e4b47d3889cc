package dev.llmworker.serving.camel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import org.apache.camel.component.seda.SedaComponent;
import org.apache.camel.component.seda.SedaEndpoint;
import org.apache.camel.impl.DefaultCamelContext;
import org.apache.camel.spi.HeaderFilterStrategy;
import org.apache.camel.spi.HeaderFilterStrategyAware;
import org.apache.camel.support.DefaultExchange;
import org.apache.camel.support.DefaultHeaderFilterStrategy;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Whoever sends messages to a component cannot set the options of `llm:generate`, even if the component lets all pass.
class OutsideHeadersTest {
    private static final class Open extends SedaEndpoint implements HeaderFilterStrategyAware {
        private HeaderFilterStrategy strategy = new DefaultHeaderFilterStrategy();

        Open(DefaultCamelContext context) {
            super("seda:x", new SedaComponent(), null);
            setCamelContext(context);
        }

        @Override
        public HeaderFilterStrategy getHeaderFilterStrategy() {
            return strategy;
        }

        @Override
        public void setHeaderFilterStrategy(HeaderFilterStrategy strategy) {
            this.strategy = strategy;
        }
    }

    @ParameterizedTest
    @CsvSource({
        "CamelLlmMaxTokens, true",
        "CAmelLlmMaxTokens, true",
        "camelllmmaxtokens, true",
        "' CAMELLLMSEED', true",
        "X-Tenant, false",
        "Llm, false"
    })
    void optionsOfAStepDoNotComeFromOutside(String name, boolean isRemoved) throws Exception {
        try (var context = new DefaultCamelContext()) {
            var endpoint = new Open(context);
            new OutsideHeaders().onEndpointAdd(endpoint);
            var strategy = endpoint.getHeaderFilterStrategy();
            assertNotNull(strategy);
            assertEquals(isRemoved, strategy.applyFilterToExternalHeaders(name, "1", new DefaultExchange(context)));
        }
    }
}
