package dev.llmworker.serving.llm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.lang.reflect.Field;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeSet;
import org.apache.camel.catalog.RuntimeCamelCatalog;
import org.apache.camel.catalog.impl.DefaultRuntimeCamelCatalog;
import org.apache.camel.impl.DefaultCamelContext;
import org.apache.camel.spi.UriParam;
import org.junit.jupiter.api.Test;

/// The descriptor from which Camel's catalog, Kaoto and editors know `llm:`. `src/main/generate.sh` writes it.
class LlmDescriptorTest {
    private static RuntimeCamelCatalog catalog(DefaultCamelContext context) {
        var catalog = new DefaultRuntimeCamelCatalog();
        catalog.setCamelContext(context);
        catalog.start();
        return catalog;
    }

    @Test
    void camelsCatalogKnowsTheComponentAndChecksItsOptions() throws Exception {
        try (var context = new DefaultCamelContext()) {
            var catalog = catalog(context);
            assertNotNull(catalog.componentJSonSchema("llm"));
            assertEquals(
                    Map.of("operation", "generate", "maxTokens", "60", "patience", "10m"),
                    catalog.endpointProperties("llm:generate?maxTokens=60&patience=10m"));
            assertEquals(
                    "llm:generate?maxTokens=60",
                    catalog.asEndpointUri("llm", Map.of("operation", "generate", "maxTokens", "60"), false));
            assertTrue(valid(catalog, Map.of("operation", "generate", "topP", "0.5", "raw", "true")));
            assertTrue(!valid(catalog, Map.of("operation", "generate", "maxTokens", "many")));
            assertTrue(!valid(catalog, Map.of("operation", "generate", "maxToken", "5")));
        }
    }

    private static boolean valid(RuntimeCamelCatalog catalog, Map<String, String> options) {
        return catalog.validateProperties("llm", Map.copyOf(options)).isSuccess();
    }

    @Test
    void itIsThatOfTheAnnotations() throws Exception {
        var folder = LlmEndpoint.class.getPackageName().replace('.', '/');
        try (var stream = LlmEndpoint.class.getResourceAsStream("/META-INF/" + folder + "/llm.json")) {
            var options = new ObjectMapper().readTree(stream).path("properties");
            var names = new TreeSet<String>();
            for (var field : LlmEndpoint.class.getDeclaredFields()) {
                var said = field.getAnnotation(UriParam.class);
                if (said != null) {
                    names.add(field.getName());
                    var option = options.path(field.getName());
                    assertEquals(said.description(), option.path("description").asText(), "run src/main/generate.sh");
                    assertEquals(type(field), option.path("javaType").asText(), "run src/main/generate.sh");
                }
            }
            var known = new TreeSet<String>();
            for (var operation : LlmComponent.Operation.values()) {
                known.addAll(operation.options());
            }
            assertEquals(known, names);
            assertEquals(names.size() + 2, options.size(), "operation, lazyStartProducer");
        }
    }

    private static String type(Field field) {
        return field.getType().getName();
    }

    @Test
    void everyHeaderIsThatOfAnOptionOrOfTheAnswer() throws Exception {
        var constants = new TreeSet<String>();
        for (var field : LlmConstants.class.getFields()) {
            constants.add(String.valueOf(field.get(null)));
        }
        constants.removeAll(Arrays.asList(
                LlmConstants.FINISH_REASON,
                LlmConstants.PROMPT_TOKENS,
                LlmConstants.COMPLETION_TOKENS,
                LlmConstants.SCORES));
        var known = new TreeSet<>(LlmOptions.headers());
        known.addAll(VectorOptions.headers());
        assertEquals(known, constants);
    }
}
