package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.llmworker.testing.Events;
import dev.llmworker.text.chat.AnswerPart;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Calls of tools as servers stream them.
class CallReaderTest {
    /// @param arguments as they are when the answer has ended
    private record Call(String id, String name, StringBuilder arguments) {
        @Override
        public String toString() {
            return id + " " + name + arguments;
        }
    }

    private final List<Call> calls = new ArrayList<>();
    private CallReader reader = new CallReader(CallReader.MAX_CALLS);

    private void read(String pieces) throws Exception {
        add(reader.read(Events.json(("{'tool_calls':" + pieces + "}").replace('\'', '"'))));
    }

    private void add(List<AnswerPart> parts) {
        for (var part : parts) {
            switch (part) {
                case AnswerPart.CallStart(var index, var id, var name) -> {
                    assertEquals(calls.size(), index);
                    calls.add(new Call(id, name, new StringBuilder()));
                }
                case AnswerPart.CallArguments(var index, var json) ->
                    calls.get(index).arguments.append(json);
                case AnswerPart.Content _, AnswerPart.Reasoning _ -> throw new AssertionError(part.toString());
            }
        }
    }

    /// The parts of one answer, in their order.
    private static String parts(boolean isWhole, String... events) throws Exception {
        var reader = new CallReader(CallReader.MAX_CALLS);
        var parts = new ArrayList<AnswerPart>();
        for (var pieces : events) {
            parts.addAll(reader.read(Events.json(("{'tool_calls':" + pieces + "}").replace('\'', '"'))));
        }
        parts.addAll(reader.end(isWhole));
        var text = new StringBuilder();
        for (var part : parts) {
            text.append(
                            switch (part) {
                                case AnswerPart.CallStart(var index, var _, var name) -> index + name;
                                case AnswerPart.CallArguments(var index, var json) -> index + json;
                                case AnswerPart.Content _, AnswerPart.Reasoning _ ->
                                    throw new AssertionError(part.toString());
                            })
                    .append(' ');
        }
        return text.toString().strip();
    }

    private static final String NOW = "[{'index':0,'id':'a','function':{'name':'now','arguments':''}}]";

    @Test
    void thePartsOfACallComeTogether() throws Exception {
        var weather = "[{'index':1,'id':'b','function':{'name':'weather','arguments':'{'}}]";
        var rest = "[{'index':1,'function':{'arguments':'}'}}]";
        assertEquals("0now 0{} 1weather 1{}", parts(true, NOW, weather, rest));
        // The arguments of the first one come last.
        var late = "[{'index':0,'function':{'arguments':'{\\'}{\\':1}'}}]";
        assertEquals("0now 0{\"}{\":1} 1weather 1{}", parts(true, NOW, weather, rest, late));
        assertEquals("0now 0{\"}{\":1} 1weather 1{ 1}", parts(true, NOW, weather, late, rest));
        assertThrows(IOException.class, () -> parts(true, NOW, late, weather, late));
        var much = "{'index':1,'function':{'arguments':'" + "x".repeat(1 << 19) + "'}}";
        assertThrows(IOException.class, () -> parts(true, NOW, weather, "[" + much + "," + much + "]"));
    }

    @Test
    void aCallThatWasCutHasNoArguments() throws Exception {
        assertEquals("0now 0{}", parts(true, NOW));
        assertEquals("0now", parts(false, NOW));
    }

    /// All calls of an answer whose events have these pieces.
    private List<String> calls(String... events) throws Exception {
        calls.clear();
        reader = new CallReader(CallReader.MAX_CALLS);
        for (var pieces : events) {
            read(pieces);
        }
        add(reader.end(true));
        return calls.stream().map(Call::toString).toList();
    }

    @Test
    void piecesGoByTheirIndex() throws Exception {
        assertEquals(
                List.of("a f{\"x\":1}", "b g{}"),
                calls(
                        "[{'index':0,'id':'a','type':'function','function':{'name':'f','arguments':''}}]",
                        "[{'index':0,'function':{'arguments':'{\\'x\\''}}]",
                        "[{'index':1,'id':'b','function':{'name':'g','arguments':'{'}}]",
                        // Later than the beginning of the other one.
                        "[{'index':0,'function':{'arguments':':1}'}},{'index':1,'function':{'arguments':'}'}}]"));
    }

    @Test
    void aWholeCallIsOnePiece() throws Exception {
        assertEquals(
                List.of("a f{\"x\":1}", "b f{\"x\":2}"),
                calls("[{'id':'a','function':{'name':'f','arguments':'{\\'x\\':1}'}},"
                        + "{'id':'b','function':{'name':'f','arguments':{'x':2}}}]"));
    }

    @Test
    void whatIsRepeatedIsNoOtherCall() throws Exception {
        assertEquals(
                List.of("a f{\"x\":1}"),
                calls(
                        "[{'index':0,'id':'a','function':{'name':'f','arguments':'{'}}]",
                        "[{'index':0,'id':'a','function':{'name':'f','arguments':'\\'x\\':1'}}]",
                        "[{'index':0,'id':null,'function':{'name':null,'arguments':'}'}}]",
                        "[{'index':0,'id':'','function':{'name':'','arguments':null}}]"));
    }

    @Test
    void anotherIdIsAnotherCallWhateverTheIndex() throws Exception {
        assertEquals(
                List.of("a f{}", "b g{\"y\":2}"),
                calls(
                        "[{'index':0,'id':'a','function':{'name':'f','arguments':'{}'}}]",
                        "[{'index':0,'id':'b','function':{'name':'g','arguments':'{\\'y\\''}}]",
                        "[{'index':0,'function':{'arguments':':2}'}}]"));
    }

    @Test
    void callsWithoutIndexAndIdGetIdsOfTheirOwn() throws Exception {
        calls(
                "[{'function':{'name':'f','arguments':'{}'}},{'function':{'name':'f','arguments':'{'}}]",
                "[{'function':{'arguments':'}'}}]");
        assertEquals(
                List.of("f{}", "f{}"),
                calls.stream().map(call -> call.name + call.arguments).toList());
        assertFalse(calls.getFirst().id.isEmpty());
        assertNotEquals(calls.getFirst().id, calls.getLast().id);
        calls(
                "[{'index':0,'id':'a','function':{'name':'f','arguments':'{}'}}]",
                "[{'index':1,'id':'a','function':{'name':'f','arguments':'{}'}}]");
        assertNotEquals(calls.getFirst().id, calls.getLast().id, "results go by the ids");
    }

    @Test
    void aCallWithoutArgumentsHasNone() throws Exception {
        assertEquals(
                List.of("a f{}", "b g{}"),
                calls(
                        "[{'index':0,'id':'a'}]",
                        "[{'index':0,'function':{'name':'f'}}]",
                        "[{'index':1,'id':'b','function':{'name':'g','arguments':''}}]"));
        assertEquals(List.of(), calls("[{'index':0,'id':'a'}]"));
        assertFalse(reader.hasCalls(), "a call needs a name");
        assertEquals(List.of(), calls("null"));
    }

    @Test
    void aCharacterInTwoPiecesIsWhole() throws Exception {
        assertEquals(
                List.of("a f{\"x\":\"😀\"}"),
                calls(
                        "[{'index':0,'id':'a','function':{'name':'f','arguments':'{\\'x\\':\\'\\ud83d'}}]",
                        "[{'index':0,'function':{'arguments':'\\ude00\\'}'}}]"));
    }

    @Test
    void onlyTheFirstCallCountsIfOneIsAllowed() throws Exception {
        reader = new CallReader(1);
        read("[{'index':0,'id':'a','function':{'name':'f','arguments':''}}]");
        read("[{'index':1,'id':'b','function':{'name':'g','arguments':'{}'}}]");
        add(reader.end(true));
        assertEquals("[a f{}]", calls.toString());
    }

    @Test
    void whatIsNoCallIsAnError() {
        assertThrows(IOException.class, () -> calls("[{'index':0,'id':'a','function':{'arguments':'{'}}]"));
        var many = "{'index':%d,'id':'i%d','function':{'name':'f'}}";
        assertThrows(IOException.class, () -> {
            for (var i = 0; i <= CallReader.MAX_CALLS; i++) {
                read("[" + many.formatted(i, i) + "]");
            }
        });
        add(reader.end(false));
        assertEquals(CallReader.MAX_CALLS, calls.size());
    }

    @Test
    void callsWithoutNamesCountToo() {
        assertThrows(IOException.class, () -> {
            for (var i = 0; i <= CallReader.MAX_CALLS; i++) {
                read("[{'index':" + i + ",'id':'i" + i + "'}]");
            }
        });
    }
}
