package dev.llmworker.serving.openai;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.BitSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// How the events of a stream become one answer.
class ChunkAssemblerTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    /// A chunk with these choices; apostrophes stand for quotation marks.
    private static String chunk(String choices) {
        return ("{'id':'c','object':'chat.completion.chunk','choices':[" + choices + "]}").replace('\'', '"');
    }

    private static JsonNode choices(String... chunks) throws Exception {
        return choices("timeout", List.of(chunks));
    }

    private static JsonNode choices(String reason, List<String> chunks) throws Exception {
        var assembler = new ChunkAssembler();
        assertTrue(assembler.isEmpty());
        for (var chunk : chunks) {
            assembler.add(chunk(chunk));
        }
        assertFalse(assembler.isEmpty());
        var answer = JSON.readTree(assembler.answer(reason));
        assertEquals("chat.completion", answer.get("object").asText());
        assertEquals("c", answer.get("id").asText());
        return answer.get("choices");
    }

    private static JsonNode json(String text) throws Exception {
        return JSON.readTree(text.replace('\'', '"'));
    }

    @Test
    void piecesOfContentAreJoinedAndARepeatedRoleIsNot() throws Exception {
        assertEquals(
                json("[{'index':0,'finish_reason':'stop','message':{'role':'assistant','content':'Hello'}}]"),
                choices(
                        "{'index':0,'delta':{'role':'assistant','content':'Hel'}}",
                        "{'index':0,'delta':{'role':'assistant','content':'lo'}}",
                        "{'index':0,'delta':{},'finish_reason':'stop'}"));
    }

    @Test
    void choicesStandInTheOrderOfTheirIndexWhateverTheOrderTheyCameIn() throws Exception {
        assertEquals(
                json("[{'index':0,'finish_reason':'timeout','message':{'content':'a'}},"
                        + "{'index':1,'finish_reason':'timeout','message':{'content':'b'}},"
                        + "{'index':2,'finish_reason':'timeout','message':{'content':'cC'}}]"),
                choices(
                        "{'index':2,'delta':{'content':'c'}},{'index':0,'delta':{'content':'a'}}",
                        "{'index':1,'delta':{'content':'b'}}",
                        "{'index':2,'delta':{'content':'C'}}"));
    }

    @Test
    void callsOfToolsGrowByTheirIndexWhichTheAnswerDoesNotShow() throws Exception {
        var call = "'type':'function','function':{'name':";
        assertEquals(
                json("[{'index':0,'finish_reason':'tool_calls','message':{'content':null,'tool_calls':["
                        + "{'id':'x'," + call + "'look','arguments':'{\\'a\\':1}'}},"
                        + "{'id':'y'," + call + "'see','arguments':'{}'}}]}}]"),
                choices(
                        "{'index':0,'delta':{'tool_calls':[{'index':1,'id':'y'," + call + "'see','arguments':'{'}}]}}",
                        "{'index':0,'delta':{'tool_calls':[{'index':0,'id':'x'," + call
                                + "'look','arguments':'{\\'a'}}]}}",
                        "{'index':0,'delta':{'tool_calls':[{'index':0,'function':{'arguments':'\\':1}'}}]}}",
                        "{'index':0,'delta':{'tool_calls':[{'index':1,'function':{'arguments':'}'}}]}}",
                        "{'index':0,'delta':{},'finish_reason':'tool_calls'}"));
    }

    @Test
    void listsWithoutAnIndexGrow() throws Exception {
        var logprobs = choices(
                        "{'index':0,'delta':{},'logprobs':{'content':[{'token':'a'}]}}",
                        "{'index':0,'delta':{},'logprobs':{'content':[{'token':'b'}]}}")
                .get(0)
                .get("logprobs");
        assertEquals(json("{'content':[{'token':'a'},{'token':'b'}]}"), logprobs);
    }

    @Test
    void aReasonThatIsNoneIsNotKeptAndReplacesNone() throws Exception {
        assertEquals(
                json("[{'index':0,'finish_reason':'stop','message':{'content':'abc'}},"
                        + "{'index':1,'finish_reason':'length','message':{'content':'d'}}]"),
                choices(
                        "length",
                        List.of(
                                "{'index':0,'delta':{'content':'a'},'finish_reason':''}",
                                "{'index':0,'delta':{'content':'b'},'finish_reason':'stop'}",
                                "{'index':0,'delta':{'content':'c'},'finish_reason':'null'}",
                                "{'index':1,'delta':{'content':'d'},'finish_reason':'null'}")));
    }

    @Test
    void aTextThatEndsWithinACharacterEndsBeforeIt() throws Exception {
        assertEquals(
                json("[{'index':0,'finish_reason':'timeout','message':{'content':'a😀b'}}]"),
                choices(
                        "{'index':0,'delta':{'content':'a\\ud83d'}}",
                        "{'index':0,'delta':{'content':'\\ude00b\\ud83d'}}"));
    }

    @Test
    void theChoicesThatEndAreFound() {
        assertEquals(
                List.of(3, 0),
                ChunkAssembler.finishedChoices(
                        chunk(
                                "{'index':3,'finish_reason':'stop'},"
                                        + "{'index':1,'finish_reason':null},{'index':4,'finish_reason':''},{'index':5,'finish_reason':'null'},{'finish_reason':'length'},{'index':2}")));
    }

    @Test
    void anEndingIsLikeTheChunksOfItsStream() throws Exception {
        var open = BitSet.valueOf(new long[] {0b101});
        assertEquals(
                json("{'id':'c','object':'chat.completion.chunk','choices':["
                        + "{'index':0,'delta':{},'logprobs':null,'finish_reason':'timeout'},"
                        + "{'index':2,'delta':{},'logprobs':null,'finish_reason':'timeout'}]}"),
                JSON.readTree(ChunkAssembler.ending(chunk("{'index':7}"), open, "timeout")));
        assertEquals(
                json("{'object':'text_completion','choices':["
                        + "{'index':0,'text':'','logprobs':null,'finish_reason':'timeout'},"
                        + "{'index':2,'text':'','logprobs':null,'finish_reason':'timeout'}]}"),
                JSON.readTree(ChunkAssembler.ending("{\"object\":\"text_completion\"}", open, "timeout")));
    }

    /// If each piece cost as much as all before it, this would copy hundreds of gigabytes.
    @Test
    @Timeout(180)
    void aPieceCostsItsOwnLengthHoweverLongTheAnswerIs() throws Exception {
        var assembler = new ChunkAssembler();
        var pieces = 20_000;
        var text = "0123456789".repeat(100);
        var piece = chunk("{'index':0,'delta':{'content':'" + text + "'}}");
        for (var i = 0; i < pieces; i++) {
            assembler.add(piece);
        }
        var calls = 20_000;
        for (var i = calls - 1; i >= 0; i--) {
            assembler.add(chunk("{'index':0,'delta':{'tool_calls':[{'index':" + i + ",'id':'" + i + "'}]}}"));
        }
        var message =
                JSON.readTree(assembler.answer("stop")).get("choices").get(0).get("message");
        assertEquals(pieces * text.length(), message.get("content").textValue().length());
        assertEquals(calls, message.get("tool_calls").size());
        assertEquals("1", message.get("tool_calls").get(1).get("id").textValue());
    }

    @Test
    void whatIsNoObjectIsABugOfTheCaller() {
        for (var chunk : List.of("[]", "1", "{", "")) {
            assertThrows(IllegalStateException.class, () -> new ChunkAssembler().add(chunk), chunk);
        }
    }
}
