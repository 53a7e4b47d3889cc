package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.AnswerParts;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent.Finished;
import dev.llmworker.generation.GenerationEvent.Token;
import dev.llmworker.generation.ScoredToken;
import dev.llmworker.text.answer.AnswerPart;
import dev.llmworker.text.tools.Tool;
import dev.llmworker.text.tools.ToolChoice;
import dev.llmworker.text.tools.ToolUse;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

class TokenReaderTest {
    private final List<Token> tokens = new ArrayList<>();
    private final TokenReader reader = new TokenReader(null, List.of());

    private void read(String data) throws Exception {
        assertEquals(null, reader.read(data, event -> tokens.add((Token) event)));
    }

    private static String chat(String choice) {
        return "{\"choices\":[{\"index\":0," + choice + "}]}";
    }

    private List<String> texts() {
        return tokens.stream().map(Token::text).toList();
    }

    private static List<String> scored(Token token) {
        return token.scores().stream().map(ScoredToken::text).toList();
    }

    @Test
    void scoresOfAChatAreEachTokens() throws Exception {
        read(chat("\"delta\":{\"content\":\"Hi\"},\"logprobs\":{\"content\":[{\"token\":\"Hi\",\"logprob\":-0.5,"
                + "\"bytes\":[72,105],\"top_logprobs\":[{\"token\":\"Hi\",\"logprob\":-0.5},"
                + "{\"token\":\"\\ufffd\",\"logprob\":-2,\"bytes\":[195]}]}]}"));
        var token = tokens.getFirst();
        assertEquals(List.of("Hi", "Hi", "\ufffd"), scored(token));
        assertEquals(-0.5f, token.scores().getFirst().logprob());
        assertArrayEquals(new byte[] {(byte) 195}, token.scores().getLast().bytes());
    }

    @Test
    void aPieceOfSeveralTokensIsSeveralWhereTheirTextsAreKnown() throws Exception {
        var scores = "\"logprobs\":{\"content\":[{\"token\":\" a\",\"logprob\":-1},{\"token\":\" b\",\"logprob\":-2}]}";
        read(chat("\"delta\":{\"content\":\" a b\"}," + scores));
        assertEquals(List.of(" a", " b"), texts());
        // Their texts are not the piece's: one ends within a character.
        read(chat("\"delta\":{\"content\":\" é\"}," + scores));
        assertEquals(List.of(" a", " b", " é", ""), texts());
        assertEquals(List.of(" b"), scored(tokens.getLast()));
        assertEquals(3, tokens.getLast().index());
    }

    @Test
    void scoresOfATextAreEachTokens() throws Exception {
        read(chat("\"text\":\"ab\",\"logprobs\":{\"tokens\":[\"a\",\"b\"],\"token_logprobs\":[-1.5,null],"
                + "\"top_logprobs\":[{\"a\":-1.5,\"x\":-3},null],\"text_offset\":[0,1]}"));
        assertEquals(List.of("a", "b"), texts());
        assertEquals(List.of("a", "a", "x"), scored(tokens.getFirst()));
        assertArrayEquals(
                "x".getBytes(StandardCharsets.UTF_8),
                tokens.getFirst().scores().getLast().bytes());
    }

    @Test
    void whatIsNoTextIsNoToken() throws Exception {
        read(chat("\"delta\":{\"role\":\"assistant\",\"content\":null}"));
        read(chat("\"delta\":{\"reasoning_content\":\"hm\"}"));
        assertEquals(List.of(), tokens);
    }

    /// All parts of an answer whose events have these choices.
    private static List<AnswerPart> parts(TokenReader reader, String... choices) throws Exception {
        var parts = new ArrayList<AnswerPart>();
        for (var choice : choices) {
            reader.read(chat(choice), event -> {
                var token = (Token) event;
                parts.addAll(token.parts().isEmpty() ? List.of(new AnswerPart.Content(token.text())) : token.parts());
            });
        }
        parts.addAll(reader.finished().parts());
        return parts;
    }

    private static TokenReader parted(ToolUse use) {
        return new TokenReader(new AnswerParts(use, OptionalInt.empty()), List.of());
    }

    @Test
    void partsComeInTheirOrderIfTheyAreAskedFor() throws Exception {
        var event = "\"delta\":{\"content\":\"a\",\"reasoning\":\"hm\",\"tool_calls\":[{\"id\":\"i\",\"function\":"
                + "{\"name\":\"f\"}}]}";
        var use = new ToolUse(List.of(new Tool("f", "")), ToolChoice.AUTO, true);
        var reader = parted(use);
        assertEquals(
                List.of(
                        new AnswerPart.Reasoning("hm"),
                        new AnswerPart.Content("a"),
                        new AnswerPart.CallStart(0, "i", "f"),
                        new AnswerPart.CallArguments(0, "{}")),
                parts(reader, event));
        assertEquals(FinishReason.TOOL_CALLS, reader.finished().reason());
        // Without tools there are no calls, and without parts there is the text alone.
        var free = parted(ToolUse.NONE);
        assertEquals(List.of(new AnswerPart.Reasoning("hm"), new AnswerPart.Content("a")), parts(free, event));
        assertEquals(FinishReason.STOP, free.finished().reason());
        assertEquals(List.of(new AnswerPart.Content("a")), parts(new TokenReader(null, List.of()), event));
    }

    @Test
    void textWithinACallComesAfterIt() throws Exception {
        var use = new ToolUse(List.of(new Tool("f", "")), ToolChoice.AUTO, true);
        var call =
                "\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}";
        var rest = "\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"}\"}}]}";
        var text = "\"delta\":{\"reasoning\":\"hm\",\"content\":\"a\"}";
        var late = List.of(new AnswerPart.Reasoning("hm"), new AnswerPart.Content("a"));
        var start = new AnswerPart.CallStart(0, "i", "f");
        var begin = new AnswerPart.CallArguments(0, "{");
        assertEquals(
                List.of(start, begin, new AnswerPart.CallArguments(0, "}"), late.getFirst(), late.getLast()),
                parts(parted(use), call, text, rest));
        assertEquals(List.of(start, begin, late.getFirst(), late.getLast()), parts(parted(use), call, text));
    }

    @Test
    void onlyACallThatIsCompleteHasAnEmptyObject() throws Exception {
        var use = new ToolUse(List.of(new Tool("f", "")), ToolChoice.AUTO, true);
        for (var why : FinishReason.values()) {
            var reader = parted(use);
            reader.read(
                    chat("\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"i\",\"function\":{\"name\":\"f\"}}]}"),
                    _ -> {});
            var isWhole = why == FinishReason.STOP || why == FinishReason.TOOL_CALLS;
            assertEquals(isWhole ? 1 : 0, reader.ended(why, null).parts().size(), why.name());
        }
    }

    @Test
    void aServerMaySayWhichStopSequenceEndedTheAnswer() throws Exception {
        for (var name : List.of("stop_reason", "matched_stop")) {
            for (var value : List.of("\"END\"", "\"other\"", "7", "null", "\"\"")) {
                var one = new TokenReader(null, List.of("END", "7"));
                one.read(chat("\"delta\":{},\"finish_reason\":\"stop\",\"" + name + "\":" + value), _ -> {});
                assertEquals(
                        value.equals("\"END\"") ? "END" : null, one.finished().stopSequence(), value);
                assertNull(one.ended(FinishReason.TIMEOUT, null).stopSequence());
            }
        }
    }

    @Test
    void aMissingCallIsAFailureOnlyIfTheAnswerIsComplete() throws Exception {
        var use = new ToolUse(List.of(new Tool("f", "")), ToolChoice.REQUIRED, true);
        var stopped = parted(use);
        parts(stopped, "\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"");
        assertEquals(FinishReason.ERROR, stopped.finished().reason());
        assertNotNull(stopped.finished().failure());
        var cut = parted(use);
        parts(cut, "\"delta\":{\"content\":\"a\"},\"finish_reason\":\"length\"");
        assertEquals(FinishReason.LENGTH, cut.finished().reason());
    }

    @Test
    void aChoiceThatNobodyAskedForIsNoAnswer() {
        for (var index : new int[] {-1, 1, Integer.MAX_VALUE}) {
            var other = "{\"choices\":[{\"index\":" + index + ",\"delta\":{\"content\":\"of another choice\"}}]}";
            assertThrows(IOException.class, () -> read(other));
        }
        assertEquals(List.of(), tokens);
    }

    @Test
    void reasonsAreOurs() throws Exception {
        for (var reason : new String[] {"stop", "length", "tool_calls", "content_filter", "abort"}) {
            var one = new TokenReader(null, List.of());
            one.read(chat("\"delta\":{},\"finish_reason\":\"" + reason + "\""), _ -> {});
            var expected = switch (reason) {
                case "length" -> FinishReason.LENGTH;
                case "abort" -> FinishReason.ERROR;
                case "content_filter" -> FinishReason.CONTENT_FILTER;
                default -> FinishReason.STOP;
            };
            assertEquals(expected, one.finished().reason(), reason);
        }
    }

    @Test
    void aReasonThatIsNoneEndsNothing() throws Exception {
        for (var reason : List.of("null", "\"\"", "\"null\"", "\" \"")) {
            read(chat("\"delta\":{\"content\":\"a\"},\"finish_reason\":" + reason));
            assertFalse(reader.isComplete(), reason);
        }
        read(chat("\"delta\":{},\"finish_reason\":\"length\""));
        assertTrue(reader.isComplete());
        assertEquals(FinishReason.LENGTH, reader.finished().reason());
    }

    @Test
    void whatIsNoChunkIsPassedOver() throws Exception {
        for (var other : List.of("{}", "null", "{\"type\":\"ping\"}", "{\"choices\":null}")) {
            read(other);
        }
        assertEquals(List.of(), tokens);
        assertEquals(0, reader.emitted());
    }

    @Test
    void anErrorThatIsEmptyIsNone() throws Exception {
        for (var none : List.of("null", "\"\"", "\" \"", "{}", "[]", "false")) {
            read("{\"error\":" + none + ",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}");
        }
        assertEquals(List.of("a", "a", "a", "a", "a", "a"), texts());
        for (var error : List.of("\"x\"", "{\"message\":\"\"}", "true")) {
            assertNotNull(reader.read("{\"error\":" + error + "}", _ -> {}), error);
        }
    }

    @Test
    void aCharacterIsOneTokenThoughItsHalvesAreInTwoPieces() throws Exception {
        read(chat("\"delta\":{\"content\":\"a\\ud83d\"}"));
        read(chat("\"delta\":{\"content\":\"\\ude00\"}"));
        read(chat("\"delta\":{\"content\":\"b\\ud83d\"},\"finish_reason\":\"length\""));
        assertEquals(List.of("a", "😀", "b"), texts());
    }

    @Test
    void withoutAUsagePiecesAreCounted() throws Exception {
        read(chat("\"delta\":{\"content\":\"a\"}"));
        read(chat("\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\""));
        assertEquals(new Finished(FinishReason.STOP, 0, 2), reader.finished());
        read("{\"choices\":[],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":9}}");
        assertEquals(new Finished(FinishReason.STOP, 4, 9), reader.finished());
    }
}
