package dev.llmworker.testing;

import dev.llmworker.engine.LanguageModel;
import dev.llmworker.model.DecoderDescription;
import dev.llmworker.model.decoder.DecodeBatch;
import dev.llmworker.model.decoder.Decoder;
import dev.llmworker.model.decoder.PromptPart;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.text.Tokenizer;
import dev.llmworker.text.chat.PromptEncoder;
import dev.llmworker.text.chat.ScriptedTemplate;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/// A model that says what its client tells it to: its answer to a message that begins with `SAY` is the rest of the
/// message. Its answer to a tool's result is `The tool says: ` and the result; to any other message, `I heard: ` and the
/// message. It calls tools and thinks in Hermes' format. Its tokens are bytes.
public final class ScriptedModel {
    public static final String SAY = "SAY ";

    private static final int END = 256;
    private static final int SLOTS = 4;
    private static final int CONTEXT = 16_384;

    private ScriptedModel() {}

    public static LanguageModel load() {
        return new LanguageModel(new Script(), new Bytes(), new PromptEncoder(new Bytes(), new ScriptedTemplate()));
    }

    private static String answer(String role, String content) {
        if (role.equals("tool")) {
            return "The tool says: " + content;
        }
        return content.startsWith(SAY) ? content.substring(SAY.length()) : "I heard: " + content;
    }

    /// Its next token is a function of what its slot holds.
    private static final class Script implements Decoder {
        private final byte[][] cache = new byte[SLOTS][CONTEXT];

        @Override
        public DecoderDescription description() {
            return new DecoderDescription("scripted", "scripted", END + 1, CONTEXT, SLOTS, "none", "none", 0, 0);
        }

        @Override
        public void prefill(int slot, int[] ids, int start) {
            for (var i = 0; i < ids.length; i++) {
                cache[slot][start + i] = (byte) ids[i];
            }
        }

        @Override
        public int prefillLast(int slot, int[] ids, int start, SamplingParameters sampling) {
            prefill(slot, ids, start);
            return next(slot, start + ids.length);
        }

        private int next(int slot, int length) {
            // Characters of Latin-1 are bytes.
            var text = new String(cache[slot], 0, length, StandardCharsets.ISO_8859_1);
            var answerBegin = text.lastIndexOf(ScriptedTemplate.TEXT) + 1;
            var turnEnd = text.lastIndexOf(ScriptedTemplate.TURN);
            var turnBegin = text.lastIndexOf(ScriptedTemplate.TURN, turnEnd - 1) + 1;
            var contentBegin = text.indexOf(ScriptedTemplate.TEXT, turnBegin) + 1;
            var answer =
                    answer(text.substring(turnBegin, contentBegin - 1), text.substring(contentBegin, turnEnd));
            var said = length - answerBegin;
            return said < answer.length() ? answer.charAt(said) : END;
        }

        @Override
        public int[] decode(DecodeBatch batch, int steps) {
            var tokens = new int[steps * batch.rows()];
            for (var row = 0; row < batch.rows(); row++) {
                var token = batch.token(row);
                for (var step = 0; step < steps; step++) {
                    var position = batch.position(row) + step;
                    cache[row][position] = (byte) token;
                    token = next(row, position + 1);
                    tokens[step * batch.rows() + row] = token;
                }
            }
            return tokens;
        }

        @Override
        public int[] decodeBeside(DecodeBatch batch, List<PromptPart> parts) {
            parts.forEach(part -> prefill(part.slot(), part.ids(), part.start()));
            return decode(batch, 1);
        }

        @Override
        public void copySlot(int from, int to, int length) {
            System.arraycopy(cache[from], 0, cache[to], 0, length);
        }

        @Override
        public void swapSlots(int a, int b, int length) {
            var held = cache[a];
            cache[a] = cache[b];
            cache[b] = held;
        }

        @Override
        public boolean deterministic() {
            return false;
        }

        @Override
        public void close() {}
    }

    /// Each byte of a text is a token.
    private static final class Bytes implements Tokenizer {
        @Override
        public int[] encodeText(String text) {
            var bytes = text.getBytes(StandardCharsets.UTF_8);
            var ids = new int[bytes.length];
            for (var i = 0; i < bytes.length; i++) {
                ids[i] = bytes[i] & 0xff;
            }
            return ids;
        }

        @Override
        public int[] encodeWithControlTokens(String text) {
            return encodeText(text);
        }

        @Override
        public int[] encodeMarked(String text, char mark) {
            return encodeText(text.replace(String.valueOf(mark), ""));
        }

        @Override
        public byte[] bytes(int id) {
            return id == END ? new byte[0] : new byte[] {(byte) id};
        }

        @Override
        public boolean isEndOfSequence(int id) {
            return id == END;
        }

        @Override
        public int vocabularySize() {
            return END + 1;
        }

        @Override
        public OptionalInt beginOfSequence() {
            return OptionalInt.empty();
        }

        @Override
        public Map<String, Integer> controlTokens() {
            return Map.of("<|end|>", END);
        }
    }
}
