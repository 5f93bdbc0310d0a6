<?php
namespace App\Http\Controllers;

use App\Jobs\SendBookingMail;
use App\Models\Booking;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\Log;

class BookingController
{
    public function index()
    {
        return Booking::orderByDesc('id')->limit(20)->get();
    }

    public function store(Request $request)
    {
        $booking = Booking::create($request->only('room_id', 'user_id', 'check_in', 'check_out'));
        SendBookingMail::dispatch($booking->id);
        Log::info('booking created', ['id' => $booking->id]);

        return response()->json($booking, 201);
    }
}
