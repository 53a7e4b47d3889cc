package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Server-sent events by WHATWG's HTML standard, and what servers send to keep a connection open.
class EventParserTest {
    /// The events of a stream; errors begin with an exclamation mark.
    private static List<String> events(String stream) throws IOException {
        var events = new ArrayList<String>();
        var parser = new EventParser(new EventParser.Events() {
            @Override
            public void data(String data) {
                events.add(data);
            }

            @Override
            public void error(String data) {
                events.add("!" + data);
            }
        });
        for (var value : stream.getBytes(StandardCharsets.UTF_8)) {
            parser.feed(new byte[] {value});
        }
        return events;
    }

    @Test
    void linesEndWithLfCrOrBoth() throws IOException {
        assertEquals(List.of("a\nb", "c"), events("data: a\r\ndata:b\r\n\r\ndata:c\r\r"));
        assertEquals(List.of("a", "b"), events("data: a\n\ndata: b\r\n\r\n"));
        assertEquals(List.of(), events("data: without an empty line\n"));
    }

    @Test
    void onlyTheFirstCharacterIsAByteOrderMark() throws IOException {
        assertEquals(List.of("a"), events("\ufeffdata: a\n\n"));
        assertEquals(List.of("b"), events("data: \n\n\ufeffdata: a\n\ndata: b\n\n"));
        assertEquals(List.of(), events("\n\ufeffdata: a\n\n"));
    }

    @Test
    void eventsWithoutDataAreNotDispatched() throws IOException {
        for (var nothing : List.of(
                "data:\n\n",
                "data: \n\n",
                "data\n\n",
                "data:\ndata:\n\n",
                "data:   \n\n",
                "event: error\n\n",
                "event: error\ndata:\n\n",
                "event: message\n\n",
                "id: 7\n\n",
                "retry: 10\n\n",
                ": comment\n\n",
                ":\n\n",
                "unknown\n\n",
                "\n\n\n")) {
            assertEquals(List.of("a", "b"), events("data: a\n\n" + nothing + "data: b\n\n"), nothing);
        }
    }

    @Test
    void heartbeatsArePassedOver() throws IOException {
        for (var heartbeat : List.of(
                "data: : keepalive\n\n",
                "data: :\n\n",
                "data: ping\n\n",
                "data: [PING]\n\n",
                "data: keep-alive\n\n",
                "data: \"heartbeat\"\n\n",
                "event: ping\ndata: {}\n\n",
                "event: ping\ndata: 2026-01-01 00:00:00\n\n",
                "event: heartbeat\ndata: {\"time\":1}\n\n",
                "event: keepalive\n\n",
                "event: open\ndata: connected\n\n")) {
            assertEquals(List.of("a"), events(heartbeat + "data: a\n\n"), heartbeat);
        }
    }

    @Test
    void theNameOfAnEventEndsWithIt() throws IOException {
        assertEquals(List.of("!x", "y"), events("event: error\ndata: x\n\ndata: y\n\n"));
        assertEquals(List.of("x"), events("event: error\n\ndata: x\n\n"));
        assertEquals(List.of("!{}"), events("error: {}\n\n"));
        assertEquals(
                List.of("{\"a\":1}", "[DONE]"),
                events("event: chunk\ndata: {\"a\":1}\n\nevent: end\ndata: [DONE]\n\n"));
    }
}
