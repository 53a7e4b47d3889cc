package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.text.answer.AnswerPart;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// What a reader sees when stop sequences are sought.
class StopFilterTest {
    private static GenerationEvent.Token token(int index, AnswerPart... parts) {
        var all = List.of(parts);
        return new GenerationEvent.Token(index, PartedAnswer.content(all), List.of(), all);
    }

    /// No text follows a call, so what may have begun a stop sequence did not.
    @Test
    void aCallIsPassedOnAtOnceThoughTheTextBeforeItMayBeginAStopSequence() {
        var seen = new ArrayList<GenerationEvent.Token>();
        var filter = new StopFilter(List.of("ENDE"), seen::add);
        var tokens = List.of(
                token(0, new AnswerPart.Content("a EN")),
                token(1, new AnswerPart.CallStart(0, "id", "clock")),
                token(2, new AnswerPart.CallArguments(0, "{")),
                token(3, new AnswerPart.CallArguments(0, "}")));
        filter.add(tokens.get(0), true);
        assertEquals(List.of(), seen);
        filter.add(tokens.get(1), true);
        assertEquals(tokens.subList(0, 2), seen);
        filter.add(tokens.get(2), true);
        assertEquals(tokens.subList(0, 3), seen);
        filter.add(tokens.get(3), true);
        assertEquals(tokens, seen);
        assertEquals(List.of(), filter.last(List.of()));
    }

    @Test
    void aStopSequenceThatTheLastPartsCompleteIsNotSeenInPart() {
        var seen = new ArrayList<GenerationEvent.Token>();
        var filter = new StopFilter(List.of("a<"), seen::add);
        filter.add(token(0, new AnswerPart.Content("xa")), true);
        assertEquals(List.of(), filter.last(List.of(new AnswerPart.Content("< b"))));
        assertEquals(
                List.of("x"), seen.stream().map(GenerationEvent.Token::text).toList());
        assertEquals("a<", filter.found());
    }

    @Test
    void whatMayHaveBegunAStopSequenceIsPassedOnBeforeTheLastParts() {
        var seen = new ArrayList<GenerationEvent.Token>();
        var filter = new StopFilter(List.of("a<"), seen::add);
        filter.add(token(0, new AnswerPart.Content("xa")), true);
        var last = List.<AnswerPart>of(new AnswerPart.Content("b"));
        assertEquals(last, filter.last(last));
        assertEquals(
                List.of("xa"), seen.stream().map(GenerationEvent.Token::text).toList());
    }
}
