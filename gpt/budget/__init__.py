"""What completions may cost: tokens and money a day, of all bots together and of each, with a hard stop.

    wallet = Wallet(Limits(daily_money=5.0), PriceTable.load(), key=key, state="state")
    reservation = await wallet.reserve(bot="anna", model="gpt-4o-mini", estimate=Estimate(900, 300), until=deadline)
    ... send ...
    cost = await wallet.settle(reservation, usage)

Its floors, imports going down: wallet → desk → ledger, lines, tally → book, fleet_budget → redis_scripts,
book_file, open_sums → decide → prices → model.
"""

from gpt.budget.model import BudgetAlert, Estimate, Limits, Reservation
from gpt.budget.prices import Price, PriceTable
from gpt.budget.wallet import Wallet

__all__ = ["BudgetAlert", "Estimate", "Limits", "Price", "PriceTable", "Reservation", "Wallet"]
