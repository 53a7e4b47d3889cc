package dev.llmworker.serving.delivery;

import dev.llmworker.generation.Answer;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.Lease;
import dev.llmworker.generation.ModelVectors;
import dev.llmworker.generation.OpenAiRelay;
import dev.llmworker.generation.OpenAiRequest;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.generation.RelayEvent;
import dev.llmworker.generation.VectorEvent;
import dev.llmworker.generation.memory.HeldEvent;
import dev.llmworker.generation.memory.HeldMemory;
import dev.llmworker.serving.access.KeyRates;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.connection.Drain;
import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.ParsedBody;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestLog;
import dev.llmworker.stats.WorkerStats;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.apache.camel.Exchange;

/// Runs generations for clients, and counts them.
///
/// Threading: any thread; [#run] returns when the generation has ended.
public final class Generations {
    private final Generator generator;
    private final Drain drain;
    private final WorkerStats stats;
    private final MemoryBudget budget;
    private final KeyRates rates;
    private final Set<Answer<?>> running = ConcurrentHashMap.newKeySet();

    /// How a request comes to the generator.
    interface Submission {
        Generation submit(Generator generator, GenerationRequest request);
    }

    /// What is counted with an answer, beside its own tokens. The answers of a request together count it once, and
    /// each of its prompts once, as its `usage` does.
    enum Counted {
        /// The request and its prompt.
        REQUEST,
        /// One more prompt of a request that has been counted.
        PROMPT,
        /// One more answer to a prompt that has been counted.
        ANSWER
    }

    /// The memory of a part of a request.
    public interface Held extends HeldMemory, AutoCloseable {
        /// What it holds now stays taken until the exchange's answer is sent. It holds nothing any more.
        void keepUntilSent(Exchange exchange);

        @Override
        void close();
    }

    /// Who gets an answer.
    public interface Recipient {
        /// The answer has begun, and may still be refused. To close it from any thread ends it. It is closed anyway
        /// when the client disconnects.
        default void began(Answer<?> answer) {}

        /// The request is served.
        default void accepted() {}

        /// About how many bytes it keeps of the answer by now, until the exchange is done.
        default long keptBytes() {
            return 0;
        }
    }

    /// Who gets the tokens of a generation.
    public interface Reader extends Recipient {
        /// @return false if nobody reads any more
        boolean token(GenerationEvent.Token token);
    }

    /// Who gets the chunks of a relayed request.
    public interface RelayReader extends Recipient {
        /// @return false if nobody reads any more
        boolean chunk(RelayEvent.Chunk chunk);
    }

    /// Who gets the vectors of texts.
    interface VectorReader extends Recipient {
        /// @return false if nobody reads any more
        boolean vector(VectorEvent.Vector vector);
    }

    /// @param budget has room for the answers, or they are ended
    /// @param rates says whether a client's API key may have more answers
    public Generations(Generator generator, Drain drain, WorkerStats stats, MemoryBudget budget, KeyRates rates) {
        this.rates = rates;
        this.budget = budget;
        this.generator = generator;
        this.drain = drain;
        this.stats = stats;
    }

    /// Ends all running answers. Their clients get an error that says that the worker stops.
    public void endAll() {
        running.forEach(Answer::close);
    }

    /// Runs one generation to its end, which comes soon after the client disconnects or cancels the request.
    ///
    /// @throws RefusedException if it is not accepted
    /// @throws RequestException if the worker stops
    public Ending run(GenerationRequest request, Caller caller, Reader reader) {
        return run(request, caller, reader, Generator::submit, Counted.REQUEST);
    }

    /// Counts a request that generates nothing itself against the limits of its client's API key.
    ///
    /// @throws RefusedException if the key has used up a limit
    public void countRequest(Client client) {
        try (var use = admit(client, true, ExpectedTokens.NONE)) {
            use.accepted(0);
        }
    }

    /// Takes memory for what an exchange holds until its answer is sent.
    ///
    /// @throws RequestException if there is no room
    public void holdUntilSent(long bytes, Exchange exchange) {
        var memory = budget.lease();
        ParsedBody.closeAfter(exchange, memory::close);
        if (!memory.take(bytes)) {
            throw new RequestException(JsonError.overBudget(memory, bytes));
        }
    }

    /// Memory for what a request holds beside its answers. The caller closes it.
    public Held hold() {
        return new AnswerMemory(budget.lease());
    }

    /// As [#run], for one of several answers to a request.
    Ending run(GenerationRequest request, Caller caller, Reader reader, Submission submission, Counted counted) {
        var client = caller.client();
        var salted = request.withCacheSalt(client.cacheSalt()).withShare(rates.share(client.key()));
        var expected =
                counted == Counted.ANSWER ? ExpectedTokens.of(request).withoutPrompt() : ExpectedTokens.of(request);
        return run(
                () -> submission.submit(generator, salted),
                request.encodingBytes(),
                GenerationMeter.of(request, counted != Counted.ANSWER),
                caller,
                reader,
                counted == Counted.REQUEST,
                expected,
                event -> switch (event) {
                    case GenerationEvent.Token token -> reader.token(token);
                    case GenerationEvent.Finished _ -> true;
                });
    }

    /// As [#run], of a request that another server answers in its own words.
    public Ending relay(OpenAiRelay relay, OpenAiRequest request, Caller caller, RelayReader reader) {
        return run(
                () -> relay.relay(request),
                0,
                GenerationMeter.of(request),
                caller,
                reader,
                true,
                ExpectedTokens.of(request),
                event -> switch (event) {
                    case RelayEvent.Chunk chunk -> reader.chunk(chunk);
                    case GenerationEvent.Finished _ -> true;
                });
    }

    /// As [#run], of texts whose vectors are wanted. They are encoded once the client's API key may have them and the
    /// model has room.
    ///
    /// @param operation OpenTelemetry's name for it
    Ending vectors(
            ModelVectors model,
            Supplier<List<int[]>> encoding,
            ExpectedTokens expected,
            String operation,
            Caller caller,
            VectorReader reader) {
        var share = rates.share(caller.client().key());
        return run(
                () -> {
                    model.checkAccepts(share);
                    return model.vectors(encoding.get(), share);
                },
                0,
                GenerationMeter.of(operation, caller.client().requestId()),
                caller,
                reader,
                true,
                expected,
                event -> switch (event) {
                    case VectorEvent.Vector vector -> reader.vector(vector);
                    case GenerationEvent.Finished _ -> true;
                });
    }

    /// @param encodingBytes are held until the answer is accepted
    private <E extends HeldEvent> Ending run(
            Supplier<? extends Answer<E>> submission,
            long encodingBytes,
            GenerationMeter meter,
            Caller caller,
            Recipient recipient,
            boolean counts,
            ExpectedTokens expected,
            Predicate<E> reader) {
        try (var use = admit(caller.client(), counts, expected);
                var memory = new AnswerMemory(budget.lease());
                var answer = submit(submission, caller.client(), memory, encodingBytes);
                var withdrawal = Lease.of(stats::recordWithdrawn);
                var _ = Lease.of(() -> running.remove(answer));
                var _ = caller.client().onUnwanted(answer::close)) {
            begin(answer, caller.client(), recipient, memory);
            memory.add(-encodingBytes);
            use.accepted(answer.promptTokens());
            if (counts) {
                stats.recordAccepted();
                stats.keys().recordAccepted(caller.client().keyLabel());
            }
            // From now on it is counted when it has finished.
            withdrawal.keep();
            Ending ending = null;
            try {
                recipient.accepted();
                var finished = read(answer, new Kept<>(recipient, reader, memory), meter, use);
                ending = new Ending(finished, meter.timings(answer));
                if (ending.finished().reason() == FinishReason.CANCELLED && drain.isTimeUp()) {
                    throw new RequestException(Drain.cut());
                }
                if (recipient.keptBytes() > 0) {
                    caller.keep(memory.lease().handOver());
                }
                return ending;
            } finally {
                var ended = ending == null ? meter.failed() : meter.finished(ending);
                var key = caller.client().keyLabel();
                if (ending != null) {
                    use.finished(ended.promptTokens(), ended.completionTokens());
                }
                stats.recordFinished(ended);
                stats.keys().recordFinished(key, ended.promptTokens(), ended.completionTokens());
                RequestLog.finished(meter.requestId(), caller.route(), key, ended);
            }
        }
    }

    /// Counts what the recipient keeps.
    private record Kept<E>(Recipient recipient, Predicate<E> reader, AnswerMemory memory) implements Predicate<E> {
        @Override
        public boolean test(E event) {
            var before = recipient.keptBytes();
            var goesOn = reader.test(event);
            var more = recipient.keptBytes() - before;
            if (more != 0) {
                memory.take(more);
            }
            return goesOn;
        }
    }

    /// The memory of one answer, as a part of the budget of all requests.
    private record AnswerMemory(MemoryBudget.Lease lease) implements Held {
        @Override
        public void take(long bytes) {
            if (bytes <= 0) {
                // Needs no room, even if others hold more than there is.
                lease.add(bytes);
            } else if (!lease.take(bytes)) {
                throw JsonError.refusal(lease, bytes);
            }
        }

        @Override
        public void add(long bytes) {
            lease.add(bytes);
        }

        @Override
        public void keepUntilSent(Exchange exchange) {
            var kept = lease.handOver();
            ParsedBody.closeAfter(exchange, kept::close);
        }

        @Override
        public void close() {
            lease.close();
        }
    }

    private void begin(Answer<?> answer, Client client, Recipient recipient, AnswerMemory memory) {
        try {
            running.add(answer);
            if (drain.isTimeUp()) {
                answer.close();
            }
            answer.countIn(memory);
            recipient.began(answer);
            answer.awaitAccepted();
        } catch (RefusedException e) {
            throw counted(e, client);
        }
    }

    /// Lets an answer in if the client's API key may have more. An HTTP client learns from headers what is left.
    private KeyRates.Use admit(Client client, boolean isRequest, ExpectedTokens expected) {
        var use = rates.enter(client.key(), isRequest, expected.prompt(), expected.answer(), expected.answers());
        client.say(use.headers());
        var refusal = use.refusal();
        if (refusal != null) {
            throw counted(refusal, client);
        }
        return use;
    }

    private RefusedException counted(RefusedException refusal, Client client) {
        stats.recordRefused(refusal.reason().name().toLowerCase(Locale.ROOT));
        if (refusal.reason() == RefusedException.Reason.LIMITED) {
            stats.keys().recordRefused(client.keyLabel(), refusal.code());
        }
        return refusal;
    }

    private <A extends Answer<?>> A submit(
            Supplier<A> submission, Client client, AnswerMemory memory, long encodingBytes) {
        if (drain.hasBegun() && !client.isAdmitted()) {
            throw new RequestException(drain.refusal());
        }
        try {
            memory.take(encodingBytes);
            var answer = submission.get();
            stats.recordSubmitted();
            return answer;
        } catch (RefusedException e) {
            throw counted(e, client);
        }
    }

    private static <E extends HeldEvent> GenerationEvent.Finished read(
            Answer<E> answer, Predicate<E> reader, GenerationMeter meter, KeyRates.Use use) {
        var left = false;
        for (var event : answer) {
            if (event instanceof GenerationEvent.Finished finished) {
                return finished;
            }
            meter.token();
            var isToken = !(event instanceof VectorEvent.Vector);
            if (isToken) {
                use.generated();
            }
            left = left || !reader.test(event);
            if (left) {
                // The engine may be in the middle of a step: what it still emits is read, and counted.
                answer.close();
                if (isToken) {
                    meter.wasted();
                }
            }
        }
        throw new IllegalStateException("an answer ended without saying why");
    }
}
