package dev.llmworker.serving.camel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.camel.Processor;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What of a request becomes a header of a route's message.
class RouteHeadersTest {
    private static RunningWorker worker;
    private static volatile Map<String, Object> seen = Map.of();

    @BeforeAll
    static void start(@TempDir Path folder) throws Exception {
        var routes = RouteFolder.in(folder);
        worker = new RunningWorker(new MockGenerator(), Map.of("ROUTES", folder.toString()));
        worker.bind("seen", (Processor) exchange -> {
            var headers = new TreeMap<String, Object>(String.CASE_INSENSITIVE_ORDER);
            headers.putAll(exchange.getMessage().getHeaders());
            seen = headers;
        });
        route(routes, "plain", "/plain/{room}", "");
        route(routes, "typed", "/typed?produces=text/csv", "");
        route(
                routes,
                "declared",
                "/declared",
                "    group: header:X-Tenant query:lang header:CamelHttpUri query:from\n");
        worker.routeFiles().reload();
    }

    private static void route(RouteFolder folder, String id, String path, String more) throws Exception {
        folder.write(
                id,
                "- route:\n    id: " + id + "\n" + more + "    from:\n      uri: platform-http:" + path
                        + "\n      steps:\n        - process:\n            ref: seen\n");
    }

    @AfterAll
    static void stop() {
        worker.close();
    }

    private static String head(String target, String headers) throws Exception {
        seen = Map.of();
        try (var raw = worker.raw()
                .send("GET " + target + " HTTP/1.1\r\nHost: worker\r\n" + headers + "Connection: close\r\n\r\n")) {
            return raw.rest();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "Accept: text/html, text/csv\r\n",
                "Accept: text/html\r\nAccept: text/csv\r\n",
                "accept:\ttext/html\t,,\ttext/csv,\r\n",
                "Accept:\r\nACCEPT: text/html\r\nAccept:\ttext/csv\r\n",
            })
    void whatAClientAcceptsIsOneList(String lines) throws Exception {
        var answer = head("/typed", lines);
        assertTrue(answer.startsWith("HTTP/1.1 204 "), answer);
        assertEquals("text/html, text/csv", seen.get("Accept"));
    }

    @Test
    void aRouteGetsNothingThatItDoesNotDeclare() throws Exception {
        var answer = head(
                "/plain/7?to=victim&lang=fr&operation=delete",
                "To: victim\r\nkafka.OVERRIDE_TOPIC: other\r\nX-Tenant: a\r\noperation: delete\r\nindexName: x\r\n"
                        + "JMSReplyTo: x\r\nAuthorization: Basic eDp5\r\nAccept: text/plain\r\nX-Request-Id: mine\r\n");
        assertTrue(answer.startsWith("HTTP/1.1 204 "), answer);
        assertEquals("7", seen.get("room"), "parameters of the route's own path always pass");
        assertEquals("text/plain", seen.get("Accept"));
        assertEquals("mine", seen.get("X-Request-Id"));
        for (var name : seen.keySet()) {
            assertTrue(
                    name.startsWith("Camel")
                            || List.of("room", "Accept", "X-Request-Id").contains(name),
                    name);
        }
        assertNull(seen.get("CamelHttpQuery"));
        assertFalse(seen.toString().contains("victim"), seen.toString());
        assertFalse(answer.contains("text/plain"), "what the client sent does not come back: " + answer);
    }

    @Test
    void aRouteGetsWhatItDeclares() throws Exception {
        head(
                "/declared?lang=fr&lang=a%26b&to=victim&from=x&X-Tenant=query",
                "x-tenant: a\r\nTo: victim\r\nFrom: header\r\nlang: header\r\n");
        assertEquals("a", seen.get("X-Tenant"));
        assertEquals(List.of("fr", "a&b"), seen.get("lang"), "the parameter is declared, the header is not");
        assertEquals("x", seen.get("from"));
        assertEquals("lang=fr&lang=a%26b&from=x", seen.get("CamelHttpQuery"));
        assertEquals("lang=fr&lang=a%26b&from=x", seen.get("CamelHttpRawQuery"));
        assertFalse(seen.toString().contains("victim"), seen.toString());
    }

    /// A step `http:` goes where `CamelHttpUri` says.
    @Test
    void anAbsoluteTargetIsServedByItsPathAndTheRouteSeesNoMore() throws Exception {
        for (var target :
                List.of("http://elsewhere:81/declared", "/declared", "http://a@elsewhere/x/../declared?b=c")) {
            var answer = head(target, "X-Forwarded-Host: elsewhere\r\nForwarded: host=elsewhere\r\n");
            assertTrue(answer.startsWith("HTTP/1.1 204 "), answer);
            assertEquals("/declared", seen.get("CamelHttpUri"), target);
            assertEquals("/declared", seen.get("CamelHttpUrl"), target);
            assertEquals("/declared", seen.get("CamelHttpPath"), target);
            assertFalse(seen.toString().contains("elsewhere"), seen.toString());
        }
    }

    @Test
    void whatComesFromOutsideSetsNoOptionsOfGeneration() {
        assertTrue(OutsideHeaders.isControl("CAmelLlmMaxTokens") && OutsideHeaders.isControl(" camelllmseed"));
        assertFalse(OutsideHeaders.isControl("CamelFileName") || OutsideHeaders.isControl("JMSType"));
    }
}
